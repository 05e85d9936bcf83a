// Seals what lies on the disk (tokens, keys, packs) with the raw 32-byte store key: XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha-03).
// Its 192-bit nonce may be drawn at random for as many seals as a device ever makes; AES-GCM's 96 bits may not. The subkey is noble's HChaCha20
// (2 us), the rest node:crypto's ChaCha20-Poly1305 (RFC 8439): seven times as fast as noble at 60 KB.
//
//   | 0x01 | nonce, 24 bytes | ciphertext, as long as the plaintext | tag, 16 bytes |
//
// The context is authenticated with it, so that a sealed value cannot be moved to another column or row that has another context.
import { createCipheriv, createDecipheriv, hkdfSync } from "node:crypto";
import { hchacha } from "@noble/ciphers/chacha.js";
import type { Random } from "#drivers/driver.ts";
import { KEY_BYTES, SEALED_BYTES_MAX } from "./limits.ts";
import { StoreError, type Vault } from "./store.ts";

const VERSION = 1;
const NONCE_BYTES = 24;
const TAG_BYTES = 16;
const HEADER_BYTES = 1 + NONCE_BYTES;
const CIPHER = "chacha20-poly1305";
const PURPOSE = "petrel/store/vault/1";
const SIGMA = new TextEncoder().encode("expand 32-byte k");

const words = (bytes: Uint8Array): Uint32Array => new Uint32Array(Uint8Array.from(bytes).buffer);

/** HChaCha20(key, first 16 bytes of the nonce): the key of this one message. */
const subkeyOf = (key: Uint8Array, nonce: Uint8Array): Uint8Array => {
  const subkey = new Uint32Array(KEY_BYTES / 4);
  hchacha(words(SIGMA), words(key), words(nonce.subarray(0, 16)), subkey);
  return new Uint8Array(subkey.buffer);
};

/** RFC 8439's 96-bit nonce: four zero bytes and the rest of the long one. */
const shortNonceOf = (nonce: Uint8Array): Uint8Array => {
  const short = new Uint8Array(12);
  short.set(nonce.subarray(16), 4);
  return short;
};

const checkKey = (key: Uint8Array): void => {
  if (key.length !== KEY_BYTES)
    throw new StoreError(
      "KEY",
      `store key: expected ${KEY_BYTES} raw bytes, found ${key.length}; see "petrel init" for how to make one`,
    );
};

const sealError = (context: string, why: string, cause?: unknown): StoreError =>
  new StoreError("SEAL", `sealed value "${context}": ${why}`, { cause });

export const createVault = (storeKey: Uint8Array, random: Random): Vault => {
  checkKey(storeKey);
  const key = new Uint8Array(hkdfSync("sha256", storeKey, new Uint8Array(0), PURPOSE, KEY_BYTES));
  const options = { authTagLength: TAG_BYTES } as const;
  return {
    seal: (context, plaintext) => {
      if (plaintext.length > SEALED_BYTES_MAX)
        throw new RangeError(`seal: expected at most ${SEALED_BYTES_MAX} bytes, found ${plaintext.length}`);
      const nonce = random(NONCE_BYTES);
      const cipher = createCipheriv(CIPHER, subkeyOf(key, nonce), shortNonceOf(nonce), options);
      cipher.setAAD(Buffer.from(context), { plaintextLength: plaintext.length });
      return Buffer.concat([
        Uint8Array.of(VERSION),
        nonce,
        cipher.update(plaintext),
        cipher.final(),
        cipher.getAuthTag(),
      ]);
    },
    open: (context, sealed) => {
      if (
        sealed.length < HEADER_BYTES + TAG_BYTES ||
        sealed.length > HEADER_BYTES + TAG_BYTES + SEALED_BYTES_MAX
      )
        throw sealError(
          context,
          `expected at least ${HEADER_BYTES + TAG_BYTES} bytes, found ${sealed.length}`,
        );
      if (sealed[0] !== VERSION) throw sealError(context, `expected version ${VERSION}, found ${sealed[0]}`);
      const nonce = sealed.subarray(1, HEADER_BYTES);
      const ciphertext = sealed.subarray(HEADER_BYTES, -TAG_BYTES);
      const decipher = createDecipheriv(CIPHER, subkeyOf(key, nonce), shortNonceOf(nonce), options);
      decipher.setAAD(Buffer.from(context), { plaintextLength: ciphertext.length });
      decipher.setAuthTag(sealed.subarray(-TAG_BYTES));
      try {
        return Buffer.concat([decipher.update(ciphertext), decipher.final()]);
      } catch (cause) {
        throw sealError(context, "it does not open: another key, another place, or changed bytes", cause);
      }
    },
  };
};

const CHECK_CONTEXT = "store/key_check";
const CHECK_VALUE = new TextEncoder().encode("petrel store key");

/** The value that is stored with a new database, so that another key is found at the next start and not at the first token. */
export const createKeyCheck = (vault: Vault): Uint8Array => vault.seal(CHECK_CONTEXT, CHECK_VALUE);

/** Whether this vault's key is the one that the check value was made with. */
export const fitsKeyCheck = (vault: Vault, check: Uint8Array): boolean => {
  try {
    return Buffer.compare(vault.open(CHECK_CONTEXT, check), CHECK_VALUE) === 0;
  } catch (error) {
    if (error instanceof StoreError && error.code === "SEAL") return false;
    throw error;
  }
};
