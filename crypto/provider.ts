// The primitives behind everything in crypto/, as one interface with two implementations:
// provider/node.ts (node:crypto: AES constant-time in OpenSSL, curves fast) and provider/noble.ts (@noble/*, wherever there is no Node).
// Both accept and refuse exactly the same inputs; what differs between the backends is decided in provider/checks.ts, before either is asked.
// This file imports neither, so that a program without Node never loads node:crypto: take `nodeProvider` or `nobleProvider` from its own file.
//
// The rule for wrong lengths: what comes from other people (public keys, signatures, ciphertexts) is a CryptoError or `false`,
// what comes from our own program (secret keys, IVs, nonces, lengths) is a RangeError.

/** Gives `length` random bytes, unpredictable, freshly allocated. */
export type Random = (length: number) => Uint8Array;

/** Our X25519 key pair (RFC 7748). Shows its public half only; `JSON.stringify` and `util.inspect` cannot reach the secret. */
export interface X25519KeyPair {
  /** 32 bytes. Not to be modified. */
  readonly publicKey: Uint8Array;
  /**
   * The shared secret, 32 bytes.
   * @throws CryptoError FORMAT when `theirPublicKey` is not 32 bytes, SMALL_ORDER when the shared secret is zero.
   * The top bit and non-canonical coordinates are taken modulo p, as RFC 7748 section 5 demands.
   */
  agree(theirPublicKey: Uint8Array): Uint8Array;
  /** A copy of the 32 secret bytes, for a pickle. The caller fills it with zeros when done. */
  exportSecret(): Uint8Array;
}

/** Our Ed25519 key pair (RFC 8032, pure Ed25519). Shows its public half only. */
export interface Ed25519KeyPair {
  /** 32 bytes. Not to be modified. */
  readonly publicKey: Uint8Array;
  /** `seed`: 32 bytes, RFC 8032's private key. `expanded`: 64 bytes, the clamped scalar and the prefix, as libolm stores it. */
  readonly form: "seed" | "expanded";
  /** The signature, 64 bytes. */
  sign(message: Uint8Array): Uint8Array;
  /** A copy of the secret: 32 or 64 bytes, see `form`. The caller fills it with zeros when done. */
  exportSecret(): Uint8Array;
}

/** Somebody's Ed25519 public key that passed the checks of `importEd25519Public`. */
export interface Ed25519PublicKey {
  /** 32 bytes. Not to be modified. */
  readonly bytes: Uint8Array;
  /**
   * Strict verification: the equation without cofactor, S below the group order, R neither small-order nor non-canonical.
   * A signature of any other length than 64 is `false` too.
   */
  verify(message: Uint8Array, signature: Uint8Array): boolean;
}

/** A SHA-256 that is fed in pieces, for data that need not be in memory at once. */
export interface Sha256Stream {
  update(piece: Uint8Array): void;
  /** The hash, 32 bytes. Nothing may be fed or asked after that. */
  digest(): Uint8Array;
}

/** An AES-256-CTR that is fed in pieces of any length; it goes on where the last piece ended. */
export interface AesCtrStream {
  /** As many bytes as it was given. */
  update(piece: Uint8Array): Uint8Array;
}

/** The primitives. Stateless, synchronous; results are freshly allocated plain Uint8Arrays that the caller may fill with zeros. */
export interface CryptoProvider {
  readonly name: "node" | "noble";
  /** The randomness this provider was made with. */
  readonly random: Random;

  sha256(data: Uint8Array): Uint8Array;
  sha256Stream(): Sha256Stream;
  sha512(data: Uint8Array): Uint8Array;
  hmacSha256(key: Uint8Array, data: Uint8Array): Uint8Array;
  /** RFC 5869 with SHA-256. An empty salt means 32 zero bytes. `info` up to 1,024 bytes, `length` from 1 to 8,160. */
  hkdfSha256(salt: Uint8Array, secret: Uint8Array, info: Uint8Array, length: number): Uint8Array;
  /** RFC 5869 with SHA-512 (MSC4108's channel). `info` up to 1,024 bytes, `length` from 1 to 16,320. */
  hkdfSha512(salt: Uint8Array, secret: Uint8Array, info: Uint8Array, length: number): Uint8Array;
  /** RFC 8018 with HMAC-SHA-512. Slow by design: seconds for 500,000 iterations on a small board. */
  pbkdf2Sha512(password: Uint8Array, salt: Uint8Array, iterations: number, length: number): Uint8Array;

  /** AES-256-CBC with PKCS#7 padding. Key 32 bytes, IV 16 bytes. */
  aesCbcEncrypt(key: Uint8Array, iv: Uint8Array, plaintext: Uint8Array): Uint8Array;
  /** @throws CryptoError PADDING when the ciphertext is empty, no multiple of 16 bytes, or wrongly padded: authenticate first. */
  aesCbcDecrypt(key: Uint8Array, iv: Uint8Array, ciphertext: Uint8Array): Uint8Array;
  /** AES-256-CTR, both directions; the whole 16-byte IV is the big-endian counter. */
  aesCtr(key: Uint8Array, iv: Uint8Array, data: Uint8Array): Uint8Array;
  aesCtrStream(key: Uint8Array, iv: Uint8Array): AesCtrStream;
  /** ChaCha20-Poly1305 (RFC 8439): ciphertext, then the tag of 16 bytes. Key 32 bytes, nonce 12 bytes. */
  seal(key: Uint8Array, nonce: Uint8Array, plaintext: Uint8Array, associated: Uint8Array): Uint8Array;
  /** @throws CryptoError MAC when the tag does not match or there is no room for one. */
  open(key: Uint8Array, nonce: Uint8Array, sealed: Uint8Array, associated: Uint8Array): Uint8Array;

  generateX25519(): X25519KeyPair;
  /**
   * Secret 32 bytes, clamped on use. `publicKey` saves its derivation where it is stored beside the secret under the same authentication;
   * it is trusted. Nothing is imported into the backend before the first use.
   */
  importX25519(secret: Uint8Array, publicKey?: Uint8Array): X25519KeyPair;
  generateEd25519(): Ed25519KeyPair;
  /** From the 32-byte seed; `publicKey` as for `importX25519`. */
  importEd25519(seed: Uint8Array, publicKey?: Uint8Array): Ed25519KeyPair;
  /** From libolm's 64-byte expanded form. Signs by @noble/curves in both providers, as node:crypto takes seeds only. */
  importEd25519Expanded(expanded: Uint8Array, publicKey?: Uint8Array): Ed25519KeyPair;
  /**
   * `unchecked` leaves out the costly question whether the point is on the curve (one that is not verifies nothing, ever): for keys that a
   * signature is verified with before they are kept, and for keys out of a sealed pickle. All else is always checked.
   * @throws CryptoError FORMAT when it is not 32 bytes, not canonical or not on the curve; SMALL_ORDER when its order divides 8.
   */
  importEd25519Public(bytes: Uint8Array, onCurve?: "unchecked"): Ed25519PublicKey;

  /** Whether two byte strings are equal, in time that depends on the lengths only. */
  equal(a: Uint8Array, b: Uint8Array): boolean;
}
