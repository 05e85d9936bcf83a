// zlib data (RFC 1950) that anybody may have written: bounded, whole, and nothing behind it.
import { inflateSync, type ZlibOptions } from "node:zlib";
import { malformed, overLimit, TelemetryError } from "../errors.ts";
import { PACK_INFLATED_BYTES_MAX } from "../limits.ts";

/** What `info: true` gives, which Node's documentation names and its types do not. */
interface Inflated {
  readonly buffer: Buffer;
  readonly engine: { readonly bytesWritten: number };
}

const inflate = (bytes: Uint8Array): Inflated => {
  const options: ZlibOptions = { maxOutputLength: PACK_INFLATED_BYTES_MAX, info: true };
  // With `info` the answer is this pair (node:zlib, "Class: Options"); the types tell only of the buffer.
  return inflateSync(bytes, options) as unknown as Inflated;
};

/** Throws `TelemetryError` MALFORMED or LIMIT. */
export const inflateWhole = (bytes: Uint8Array): Uint8Array => {
  let inflated: Inflated;
  try {
    inflated = inflate(bytes);
  } catch (error) {
    if (error instanceof RangeError) throw overLimit("bytes of a pack", PACK_INFLATED_BYTES_MAX);
    throw new TelemetryError("MALFORMED", "telemetry: pack: expected zlib data (RFC 1950)", { cause: error });
  }
  // `bytesWritten` counts what the decompressor took; it stops at the end of its own stream, whatever follows.
  if (inflated.engine.bytesWritten !== bytes.length) throw malformed("pack", "nothing behind its zlib data");
  return inflated.buffer;
};
