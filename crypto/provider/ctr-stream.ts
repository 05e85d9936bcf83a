// AES-CTR in pieces, made of one-shot calls, for a backend that has no incremental cipher.
// A piece that begins inside a block is given that many bytes in front, which are cut off again: the keystream depends on the place only.
import type { AesCtrStream } from "../provider.ts";
import { AES_BLOCK_BYTES, KEY_BYTES, requireLength } from "./checks.ts";

type AesCtr = (key: Uint8Array, iv: Uint8Array, data: Uint8Array) => Uint8Array;

export function ctrStream(aesCtr: AesCtr, key: Uint8Array, iv: Uint8Array): AesCtrStream {
  requireLength(key, KEY_BYTES, "AES-256 key");
  requireLength(iv, AES_BLOCK_BYTES, "AES IV");
  const ownKey = new Uint8Array(key);
  const counter = new Uint8Array(iv);
  let within = 0;
  return Object.freeze({
    update: (piece: Uint8Array): Uint8Array => {
      const shifted = new Uint8Array(within + piece.length);
      shifted.set(piece, within);
      const out = aesCtr(ownKey, counter, shifted).subarray(within);
      advance(counter, Math.floor(shifted.length / AES_BLOCK_BYTES));
      within = shifted.length % AES_BLOCK_BYTES;
      return out;
    },
  });
}

/** Adds to the big-endian counter, modulo 2^128 as OpenSSL counts. */
function advance(counter: Uint8Array, blocks: number): void {
  let carry = blocks;
  for (let i = AES_BLOCK_BYTES - 1; i >= 0 && carry > 0; i -= 1) {
    carry += counter[i] ?? 0;
    counter[i] = carry % 256;
    carry = Math.floor(carry / 256);
  }
}
