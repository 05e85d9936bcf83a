// Bytes written and read one field after the other (docs/telemetry-pack.md, "Fields"). Numbers are integers below 2^53, so that any language's doubles hold them.
import { malformed } from "../errors.ts";

const FIRST_CAPACITY = 1024;

export class ByteWriter {
  #bytes: Uint8Array = new Uint8Array(FIRST_CAPACITY);
  #length = 0;

  /** `length` more bytes to be filled by the caller, at once: a later call may move them. */
  room(length: number): Uint8Array {
    const end = this.#length + length;
    if (end > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(end, this.#bytes.length * 2));
      larger.set(this.#bytes.subarray(0, this.#length));
      this.#bytes = larger;
    }
    const room = this.#bytes.subarray(this.#length, end);
    this.#length = end;
    return room;
  }

  byte(value: number): void {
    this.room(1)[0] = value;
  }

  /** LEB128: seven bits a byte, lowest first, the highest bit set on all but the last. */
  varint(value: number): void {
    let rest = value;
    while (rest >= 128) {
      this.byte((rest % 128) + 128);
      rest = Math.floor(rest / 128);
    }
    this.byte(rest);
  }

  /** A byte for the sign (0 or 1), then the magnitude. */
  signed(value: number): void {
    this.byte(value < 0 ? 1 : 0);
    this.varint(Math.abs(value));
  }

  bytes(value: Uint8Array): void {
    this.room(value.length).set(value);
  }

  float64(value: number): void {
    const room = this.room(8);
    new DataView(room.buffer, room.byteOffset, 8).setFloat64(0, value, true);
  }

  written(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }
}

const SAFE_BYTES_MAX = 8;

export class ByteReader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get left(): number {
    return this.#bytes.length - this.#at;
  }

  take(length: number): Uint8Array {
    if (length > this.left) throw malformed("pack", `${length} more bytes, found ${this.left}`);
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }

  byte(): number {
    return this.take(1)[0] ?? 0;
  }

  varint(): number {
    let value = 0;
    for (let at = 0; at < SAFE_BYTES_MAX; at += 1) {
      const byte = this.byte();
      value += (byte & 127) * 128 ** at;
      if (byte < 128) {
        if (!Number.isSafeInteger(value)) break;
        return value;
      }
    }
    throw malformed("pack", "integers below 2^53");
  }

  signed(): number {
    const sign = this.byte();
    if (sign > 1) throw malformed("pack", "a sign of 0 or 1");
    const magnitude = this.varint();
    return sign === 1 ? 0 - magnitude : magnitude;
  }

  float64(): number {
    const bytes = this.take(8);
    return new DataView(bytes.buffer, bytes.byteOffset, 8).getFloat64(0, true);
  }
}
