// Watches the length field of MQTT packets as they arrive (MQTT 3.1.1 and 5, section 2.2.3: one to four bytes of seven bits each, lowest first),
// so that a peer that announces 200 MB is cut off at the announcement instead of being buffered. The parsers of mqtt.js and aedes have no such bound.
//
//   byte 0: type and flags   bytes 1..4: remaining length   then that many bytes

/** Takes what arrived; false once a packet longer than the limit was announced or the length field is malformed. */
export type PacketMeter = (chunk: Uint8Array) => boolean;

type At =
  | { readonly in: "type" }
  | { readonly in: "length"; readonly length: number; readonly shift: number }
  | { readonly in: "body"; readonly left: number };

const LENGTH_SHIFT_MAX = 21;

const afterLengthByte = (at: { readonly length: number; readonly shift: number }, byte: number): At => {
  const length = at.length + (byte & 0x7f) * 2 ** at.shift;
  if ((byte & 0x80) !== 0) return { in: "length", length, shift: at.shift + 7 };
  return length === 0 ? { in: "type" } : { in: "body", left: length };
};

export const createPacketMeter = (packetBytesMax: number): PacketMeter => {
  let at: At = { in: "type" };
  let exceeded = false;
  return (chunk) => {
    for (let index = 0; index < chunk.length && !exceeded; ) {
      if (at.in === "body") {
        const step = Math.min(at.left, chunk.length - index);
        index += step;
        at = at.left === step ? { in: "type" } : { in: "body", left: at.left - step };
        continue;
      }
      at = at.in === "type" ? { in: "length", length: 0, shift: 0 } : afterLengthByte(at, chunk[index] ?? 0);
      index += 1;
      exceeded =
        (at.in === "body" && at.left > packetBytesMax) || (at.in === "length" && at.shift > LENGTH_SHIFT_MAX);
    }
    return !exceeded;
  };
};
