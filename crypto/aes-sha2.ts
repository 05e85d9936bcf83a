// The cipher that Olm, Megolm and libolm's pickles share: from one secret, HKDF-SHA-256 makes an AES-256 key, an HMAC key and an IV;
// AES-256-CBC with PKCS#7 encrypts, and the first 8 bytes of an HMAC-SHA-256 authenticate
// (specification: Olm, "The Olm cryptographic ratchet, version 1"; Megolm, "Message encryption").
//
//   secret --HKDF(salt 0, info, 80)--> | AES key 32 | MAC key 32 | IV 16 |
import { CryptoError } from "./errors.ts";
import type { CryptoProvider } from "./provider.ts";

/** The truncated MAC that Olm, Megolm and libolm's pickles carry. */
export const MAC_BYTES = 8;

const AES_KEY_END = 32;
const MAC_KEY_END = 64;
const DERIVED_BYTES = 80;
const NO_SALT: Uint8Array = new Uint8Array(0);

/** Keys for one message. They live as long as the call that uses them. */
export interface MessageKeys {
  encrypt(plaintext: Uint8Array): Uint8Array;
  /** @throws CryptoError PADDING. Check the MAC first. */
  decrypt(ciphertext: Uint8Array): Uint8Array;
  /** The truncated MAC of these bytes. */
  mac(authenticated: Uint8Array): Uint8Array;
  /** @throws CryptoError MAC, with `what` in the message, unless `mac` is exactly the truncated MAC of these bytes. */
  verify(authenticated: Uint8Array, mac: Uint8Array, what: string): void;
}

/** Derives the keys, lends them to `use`, and fills them with zeros whatever happens there. */
export function withKeys<Result>(
  provider: CryptoProvider,
  secret: Uint8Array,
  info: Uint8Array,
  use: (keys: MessageKeys) => Result,
): Result {
  const derived = provider.hkdfSha256(NO_SALT, secret, info, DERIVED_BYTES);
  try {
    return use(messageKeys(provider, derived));
  } finally {
    derived.fill(0);
  }
}

function messageKeys(provider: CryptoProvider, derived: Uint8Array): MessageKeys {
  const aesKey = derived.subarray(0, AES_KEY_END);
  const macKey = derived.subarray(AES_KEY_END, MAC_KEY_END);
  const iv = derived.subarray(MAC_KEY_END);
  const mac = (authenticated: Uint8Array): Uint8Array =>
    provider.hmacSha256(macKey, authenticated).subarray(0, MAC_BYTES);
  return {
    encrypt: (plaintext) => provider.aesCbcEncrypt(aesKey, iv, plaintext),
    decrypt: (ciphertext) => provider.aesCbcDecrypt(aesKey, iv, ciphertext),
    mac,
    verify: (authenticated, found, what) => {
      if (!provider.equal(mac(authenticated), found)) {
        throw new CryptoError("MAC", `${what}: the MAC does not match: damaged, forged, or for another key`);
      }
    },
  };
}
