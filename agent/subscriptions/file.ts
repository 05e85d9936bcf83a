// What lies in a file that somebody wants decoded: a pack as it was downloaded, an event as JSON, or JSON lines of events (`petrel tail --json`).
import { asObject, asString, field, parseJson } from "#agent/matrix/json.ts";
import type { JsonObject } from "#agent/matrix/types.ts";
import { COLUMNS_ENCODING, MAGIC } from "#agent/telemetry/columns/format.ts";
import { TelemetryError } from "#agent/telemetry/errors.ts";
import { decodePack } from "#agent/telemetry/pack/codec.ts";
import { SENML_ENCODING } from "#agent/telemetry/pack/senml.ts";
import { parseTelemetry } from "#agent/telemetry/parse.ts";
import type { ReceivedReading } from "#agent/telemetry/received.ts";
import type { Origin } from "./format.ts";

export interface Decoded {
  readonly origin: Origin;
  readonly readings: readonly ReceivedReading[];
}

/** Piece by piece: what could be read, or why not, with its place. */
export type Piece = Decoded | { readonly problem: string };

/** zlib with a window of 32 KiB (RFC 1950 section 2.2). */
const ZLIB_FIRST_BYTE = 0x78;

/** The encoding of a bare pack by its first bytes; null where it is none. */
const packEncoding = (bytes: Uint8Array): string | null => {
  if (Buffer.compare(bytes.subarray(0, 3), MAGIC.subarray(0, 3)) === 0) return COLUMNS_ENCODING;
  return bytes[0] === ZLIB_FIRST_BYTE ? SENML_ENCODING : null;
};

const barePack = (encoding: string, bytes: Uint8Array): Decoded => ({
  origin: { device: null, stream: null },
  readings: decodePack(encoding, bytes, null).map(({ name, timeMs, unit, value }, seq) => ({
    seq,
    name,
    unit: unit ?? null,
    timeMs,
    value,
  })),
});

/** The content of an event, or the object itself: somebody may have cut it out. */
const contentOf = (value: JsonObject): JsonObject => asObject(field(value, "content")) ?? value;

/** Other events of the room between those of telemetry are passed over. */
const isOther = (event: JsonObject): boolean => {
  const type = asString(field(event, "type"));
  return type !== null && !type.endsWith(".telemetry");
};

const decodeEvent = (event: JsonObject): Decoded => {
  const { device, readings, stream } = parseTelemetry(contentOf(event));
  return { origin: { device, stream }, readings };
};

const attempt = (place: string, work: () => Decoded): Piece => {
  try {
    return work();
  } catch (error) {
    if (error instanceof TelemetryError) return { problem: `${place}${error.message}` };
    throw error;
  }
};

function* decodeLines(text: string): Generator<Piece> {
  let number = 0;
  for (const line of text.split("\n")) {
    number += 1;
    if (line.trim() === "") continue;
    const event = asObject(parseJson(line));
    const place = `line ${number}: `;
    if (event === null) yield { problem: `${place}expected a JSON object` };
    else if (!isOther(event)) yield attempt(place, () => decodeEvent(event));
  }
}

/** Everything that a file holds, in order. */
export function* decodeFile(bytes: Uint8Array): Generator<Piece> {
  const encoding = packEncoding(bytes);
  if (encoding !== null) {
    yield attempt("", () => barePack(encoding, bytes));
    return;
  }
  const text = new TextDecoder().decode(bytes);
  const whole = asObject(parseJson(text));
  if (whole !== null) yield attempt("", () => decodeEvent(whole));
  else yield* decodeLines(text);
}
