// Looks over CBOR (RFC 8949) before a decoder is let at it: the shape of a SenML pack and nothing else. So the general decoder behind it never sees a tag,
// an indefinite length, a nesting, a text that is no UTF-8, or a length that its input does not hold.
//
//   pack   := array of 1..N records           record := map of 1..24 pairs: (integer | text) => scalar
//   scalar := integer | text | bytes | false | true | float          (a list or a map as a value is skipped nowhere: it is refused)
import { malformed, overLimit } from "../errors.ts";
import { PACK_READINGS_MAX, SENML_FIELDS_MAX } from "../limits.ts";

const UINT = 0;
const NEGATIVE = 1;
const BYTES = 2;
const TEXT = 3;
const ARRAY = 4;
const MAP = 5;
const SIMPLE = 7;

interface Head {
  readonly major: number;
  /** The low five bits. */
  readonly info: number;
  readonly argument: number;
}

class Scanner {
  at = 0;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #utf8: InstanceType<typeof TextDecoder> = new TextDecoder("utf-8", { fatal: true });

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get left(): number {
    return this.#bytes.length - this.at;
  }

  #skip(length: number): number {
    if (length > this.left) throw malformed("pack", `${length} more bytes of CBOR, found ${this.left}`);
    this.at += length;
    return this.at - length;
  }

  head(): Head {
    const first = this.#view.getUint8(this.#skip(1));
    const info = first & 31;
    const major = first >> 5;
    if (info < 24) return { major, info, argument: info };
    if (info > 27) throw malformed("pack", "CBOR of definite lengths");
    const size = 2 ** (info - 24);
    const at = this.#skip(size);
    if (size === 1) return { major, info, argument: this.#view.getUint8(at) };
    if (size === 2) return { major, info, argument: this.#view.getUint16(at) };
    if (size === 4) return { major, info, argument: this.#view.getUint32(at) };
    return { major, info, argument: Number(this.#view.getBigUint64(at)) };
  }

  text(length: number): void {
    const start = this.#skip(length);
    try {
      this.#utf8.decode(this.#bytes.subarray(start, this.at));
    } catch {
      throw malformed("pack", "texts in UTF-8");
    }
  }

  scalar(): void {
    const { argument, info, major } = this.head();
    if (major === TEXT) this.text(argument);
    else if (major === BYTES) this.#skip(argument);
    else if (major === SIMPLE) {
      // 20 false, 21 true; 25 to 27 floats, whose bytes are their argument.
      if (info !== 20 && info !== 21 && info < 25) throw malformed("pack", "no other simple values");
    } else if (major !== UINT && major !== NEGATIVE)
      throw malformed("pack", "records without lists, maps or tags in them");
  }

  key(): void {
    const { argument, major } = this.head();
    if (major === TEXT) this.text(argument);
    else if (major !== UINT && major !== NEGATIVE) throw malformed("pack", "labels: integers or texts");
  }
}

/** The number of records. Throws `TelemetryError`. */
export const scanSenml = (bytes: Uint8Array): number => {
  const scanner = new Scanner(bytes);
  const { argument: records, major } = scanner.head();
  if (major !== ARRAY) throw malformed("pack", "a CBOR array of records");
  if (records > PACK_READINGS_MAX) throw overLimit("records of a pack", PACK_READINGS_MAX);
  for (let record = 0; record < records; record += 1) {
    const map = scanner.head();
    if (map.major !== MAP) throw malformed("pack", "a CBOR map for each record");
    if (map.argument > SENML_FIELDS_MAX) throw overLimit("fields of a record", SENML_FIELDS_MAX);
    for (let field = 0; field < map.argument; field += 1) {
      scanner.key();
      scanner.scalar();
    }
  }
  if (scanner.left > 0) throw malformed("pack", "nothing behind its array");
  return records;
};
