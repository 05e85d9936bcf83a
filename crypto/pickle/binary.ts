// Reading and writing the plaintext of pickles: big-endian integers, one byte for a boolean, lists with their length in front.
// The reader refuses what it cannot account for: lists beyond their limit before anything is allocated, booleans other than 0 and 1, bytes left over.
import { CryptoError } from "../errors.ts";

export class BinaryReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #what: string;
  #at = 0;

  /** `what` names the object in errors. */
  constructor(bytes: Uint8Array, what: string) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#what = what;
  }

  uint8(): number {
    return this.#view.getUint8(this.#take(1));
  }

  uint32(): number {
    return this.#view.getUint32(this.#take(4));
  }

  /** A 64-bit integer that is at most `max`. */
  uint64(max: number): number {
    const value = this.#view.getBigUint64(this.#take(8));
    if (value > BigInt(max)) throw this.fault(`expected a number up to ${max}, found ${value}`);
    return Number(value);
  }

  bool(): boolean {
    const value = this.uint8();
    if (value > 1) throw this.fault(`expected a boolean, found ${value}`);
    return value === 1;
  }

  /** A copy. */
  bytes(length: number): Uint8Array {
    const start = this.#take(length);
    return new Uint8Array(this.#bytes.subarray(start, start + length));
  }

  /** `count` items, which must be at most `max`. */
  list<Item>(count: number, max: number, item: () => Item): Item[] {
    if (count > max) throw this.fault(`expected a list of at most ${max}, found ${count}`);
    return Array.from({ length: count }, item);
  }

  end(): void {
    const left = this.#bytes.length - this.#at;
    if (left > 0) throw this.fault(`expected the end, found ${left} bytes more`);
  }

  fault(found: string): CryptoError {
    return new CryptoError("FORMAT", `${this.#what}: ${found}, at byte ${this.#at}`);
  }

  #take(length: number): number {
    const start = this.#at;
    if (start + length > this.#bytes.length) {
      throw this.fault(`expected ${length} bytes, found ${this.#bytes.length - start}`);
    }
    this.#at += length;
    return start;
  }
}

/** Grows as needed. `finish` gives the bytes; what it outgrew on the way, and what it held at the end, is filled with zeros. */
export class BinaryWriter {
  #bytes: Uint8Array = new Uint8Array(512);
  #at = 0;

  uint8(value: number): this {
    const at = this.#grow(1);
    this.#bytes[at] = value;
    return this;
  }

  uint32(value: number): this {
    const at = this.#grow(4);
    this.#view().setUint32(at, value);
    return this;
  }

  uint64(value: number): this {
    const at = this.#grow(8);
    this.#view().setBigUint64(at, BigInt(value));
    return this;
  }

  bool(value: boolean): this {
    return this.uint8(value ? 1 : 0);
  }

  bytes(value: Uint8Array): this {
    const at = this.#grow(value.length);
    this.#bytes.set(value, at);
    return this;
  }

  /** Writes a secret and fills it with zeros. */
  secret(value: Uint8Array): this {
    this.bytes(value);
    value.fill(0);
    return this;
  }

  finish(): Uint8Array {
    const result = new Uint8Array(this.#bytes.subarray(0, this.#at));
    this.#bytes.fill(0);
    return result;
  }

  #view(): DataView {
    return new DataView(this.#bytes.buffer);
  }

  #grow(length: number): number {
    const start = this.#at;
    const needed = start + length;
    if (needed > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(needed, 2 * this.#bytes.length));
      larger.set(this.#bytes);
      this.#bytes.fill(0);
      this.#bytes = larger;
    }
    this.#at = needed;
    return start;
  }
}
