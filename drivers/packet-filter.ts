// Keeps oversize MQTT packets from those who would buffer them. The parsers of mqtt.js and aedes have no bound, and an oversize message that ends
// the connection comes again after each reconnect: one retained message of 1 MB would keep a device off its broker for ever. So an oversize PUBLISH is
// cut down to its header on the way in: its reader gets the same packet without a payload, in its place in the order, and can acknowledge and count it.
// Any other oversize packet is hostile, and ends the connection. MQTT 3.1.1 (in MQTT 5 the broker is told our maximum and keeps to it: section 3.1.2.11.4).
//
//   fixed header (section 2.2)   type and flags | remaining length: one to four bytes of seven bits, lowest first
//   PUBLISH (section 3.3)        topic length (2) | topic | packet identifier (2, QoS 1 and 2 only) | payload

/** What comes out of one chunk: what may be read on, and whether the connection has to end. */
export interface Filtered {
  readonly forward: readonly Uint8Array[];
  readonly broken: boolean;
}

export interface PacketFilter {
  push(chunk: Uint8Array): Filtered;
  /** Whether this message was cut down. Asked once per message: the answer is forgotten. */
  wasCut(packetId: number): boolean;
}

export interface PacketFilterSettings {
  readonly packetBytesMax: number;
  /** Whether an oversize PUBLISH can be cut down (3.1.1), or ends the connection (5). */
  readonly cuts: boolean;
  /** An oversize message of QoS 0 was dropped: nobody waits for its acknowledgement. */
  dropped(topic: string): void;
}

type State =
  /** In the fixed header; its bytes so far. */
  | { readonly in: "head"; readonly bytes: readonly number[] }
  /** In a packet that passes. */
  | { readonly in: "body"; readonly left: number }
  /** In an oversize PUBLISH: collecting topic and packet identifier. */
  | { readonly in: "cut"; readonly first: number; readonly bytes: readonly number[]; readonly left: number }
  | { readonly in: "rest"; readonly left: number };

const PUBLISH = 3;
const LENGTH_BYTES_MAX = 4;
/** No more of an oversize message's header is kept than this; longer topics are hostile. */
const HEADER_BYTES_MAX = 1_100;

const START: State = { in: "head", bytes: [] };

/** The remaining length once its last byte is there; null before; -1 when it has too many bytes. */
const remainingLength = (head: readonly number[]): number | null => {
  const field = head.slice(1);
  if (field.length === 0 || (field.at(-1) ?? 0) >= 0x80) return field.length >= LENGTH_BYTES_MAX ? -1 : null;
  return field.reduce((sum, byte, index) => sum + (byte & 0x7f) * 128 ** index, 0);
};

const encodeLength = (length: number): number[] =>
  length < 128 ? [length] : [(length % 128) + 128, ...encodeLength(Math.floor(length / 128))];

const qosOf = (first: number): number => (first >> 1) & 3;

/** How long the header of a PUBLISH is (topic and packet identifier), as far as that can be said. */
const headerLength = (first: number, bytes: readonly number[]): number =>
  bytes.length < 2 ? 2 : 2 + (bytes[0] ?? 0) * 256 + (bytes[1] ?? 0) + (qosOf(first) > 0 ? 2 : 0);

class Filter implements PacketFilter {
  readonly #settings: PacketFilterSettings;
  readonly #cut = new Set<number>();
  #state: State = START;
  #forward: Uint8Array[] = [];
  #broken = false;

  constructor(settings: PacketFilterSettings) {
    this.#settings = settings;
  }

  wasCut(packetId: number): boolean {
    return this.#cut.delete(packetId);
  }

  push(chunk: Uint8Array): Filtered {
    this.#forward = [];
    for (let at = 0; at < chunk.length && !this.#broken; ) at = this.#step(chunk, at);
    return { forward: this.#forward, broken: this.#broken };
  }

  /** Takes at least one byte; the next position. */
  #step(chunk: Uint8Array, at: number): number {
    const state = this.#state;
    if (state.in === "head") {
      this.#head([...state.bytes, chunk[at] ?? 0]);
      return at + 1;
    }
    if (state.in === "cut") {
      this.#collect(state.first, [...state.bytes, chunk[at] ?? 0], state.left - 1);
      return at + 1;
    }
    const taken = Math.min(state.left, chunk.length - at);
    if (state.in === "body") this.#forward.push(chunk.subarray(at, at + taken));
    const left = state.left - taken;
    this.#state = left === 0 ? START : { in: state.in, left };
    return at + taken;
  }

  #head(bytes: readonly number[]): void {
    const [first = 0] = bytes;
    const length = remainingLength(bytes);
    if (length === null) {
      this.#state = { in: "head", bytes };
    } else if (length >= 0 && length <= this.#settings.packetBytesMax) {
      this.#forward.push(Uint8Array.from(bytes));
      this.#state = length === 0 ? START : { in: "body", left: length };
    } else if (length > 0 && this.#settings.cuts && first >> 4 === PUBLISH) {
      this.#state = { in: "cut", first, bytes: [], left: length };
    } else {
      this.#broken = true;
    }
  }

  #collect(first: number, bytes: readonly number[], left: number): void {
    const wanted = headerLength(first, bytes);
    if (wanted > HEADER_BYTES_MAX) this.#broken = true;
    this.#state = { in: "cut", first, bytes, left };
    if (this.#broken || bytes.length < wanted || bytes.length < 2) return;
    const topicEnd = 2 + (bytes[0] ?? 0) * 256 + (bytes[1] ?? 0);
    this.#state = left === 0 ? START : { in: "rest", left };
    if (qosOf(first) === 0) {
      this.#settings.dropped(Buffer.from(bytes.slice(2, topicEnd)).toString());
      return;
    }
    this.#cut.add((bytes[topicEnd] ?? 0) * 256 + (bytes[topicEnd + 1] ?? 0));
    this.#forward.push(Uint8Array.from([first, ...encodeLength(bytes.length), ...bytes]));
  }
}

export const createPacketFilter = (settings: PacketFilterSettings): PacketFilter => new Filter(settings);
