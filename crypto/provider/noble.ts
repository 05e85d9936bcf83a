// The provider on @noble/*: pure JavaScript, for wherever there is no node:crypto. Correct everywhere, fast nowhere:
// a key agreement takes 20 times as long as in OpenSSL. Its AES works by table look-ups, which is not constant-time on shared hardware, and
// its curves calculate with BigInt, whose time may depend on values: README.md says what follows from that.
import { cbc, ctr } from "@noble/ciphers/aes.js";
import { chacha20poly1305 } from "@noble/ciphers/chacha.js";
import { ed25519, x25519 } from "@noble/curves/ed25519.js";
import { hkdf } from "@noble/hashes/hkdf.js";
import { hmac } from "@noble/hashes/hmac.js";
import { pbkdf2 } from "@noble/hashes/pbkdf2.js";
import { sha256, sha512 } from "@noble/hashes/sha2.js";
import { randomBytes } from "@noble/hashes/utils.js";
import type {
  CryptoProvider,
  Ed25519KeyPair,
  Ed25519PublicKey,
  Random,
  Sha256Stream,
  X25519KeyPair,
} from "../provider.ts";
import {
  AEAD_NONCE_BYTES,
  AEAD_TAG_BYTES,
  AES_BLOCK_BYTES,
  checkEd25519Public,
  equalBytes,
  forged,
  isPlausibleSignature,
  KEY_BYTES,
  pointOrNull,
  requireContributory,
  requireHkdf,
  requireLength,
  requirePbkdf2,
  requireTheirLength,
  smallOrder,
} from "./checks.ts";
import { ctrStream } from "./ctr-stream.ts";
import { fromLittleEndian, hashToScalar, importExpanded } from "./expanded.ts";
import { pad, requireBlocks, unpad } from "./padding.ts";

const { Point } = ed25519;

/** A noble provider; `random` replaces the platform's generator (`crypto.getRandomValues`), which only tests should do. */
export function createNobleProvider(options: { readonly random?: Random } = {}): CryptoProvider {
  const random: Random = options.random ?? ((length) => randomBytes(length));
  return Object.freeze<CryptoProvider>({
    name: "noble",
    random,
    sha256: (data) => sha256(data),
    sha256Stream,
    sha512: (data) => sha512(data),
    hmacSha256: (key, data) => hmac(sha256, key, data),
    hkdfSha256: (salt, secret, info, length) => {
      requireHkdf(info, length, 32);
      return hkdf(sha256, secret, salt, info, length);
    },
    hkdfSha512: (salt, secret, info, length) => {
      requireHkdf(info, length, 64);
      return hkdf(sha512, secret, salt, info, length);
    },
    pbkdf2Sha512: (password, salt, iterations, length) => {
      requirePbkdf2(iterations, length);
      return pbkdf2(sha512, password, salt, { c: iterations, dkLen: length });
    },
    aesCbcEncrypt,
    aesCbcDecrypt,
    aesCtr,
    aesCtrStream: (key, iv) => ctrStream(aesCtr, key, iv),
    seal,
    open,
    generateX25519: () => importX25519(random(KEY_BYTES)),
    importX25519,
    generateEd25519: () => importEd25519(random(KEY_BYTES)),
    importEd25519,
    importEd25519Expanded: importExpanded,
    importEd25519Public,
    equal: equalBytes,
  });
}

function aesCbcEncrypt(key: Uint8Array, iv: Uint8Array, plaintext: Uint8Array): Uint8Array {
  requireAes(key, iv);
  return cbc(key, iv, { disablePadding: true }).encrypt(pad(plaintext));
}

function aesCbcDecrypt(key: Uint8Array, iv: Uint8Array, ciphertext: Uint8Array): Uint8Array {
  requireAes(key, iv);
  requireBlocks(ciphertext);
  return unpad(cbc(key, iv, { disablePadding: true }).decrypt(ciphertext));
}

function aesCtr(key: Uint8Array, iv: Uint8Array, data: Uint8Array): Uint8Array {
  requireAes(key, iv);
  return ctr(key, iv).encrypt(data);
}

function sha256Stream(): Sha256Stream {
  const hashing = sha256.create();
  return Object.freeze({
    update: (piece: Uint8Array): void => void hashing.update(piece),
    digest: () => hashing.digest(),
  });
}

function requireAes(key: Uint8Array, iv: Uint8Array): void {
  requireLength(key, KEY_BYTES, "AES-256 key");
  requireLength(iv, AES_BLOCK_BYTES, "AES IV");
}

function seal(key: Uint8Array, nonce: Uint8Array, plaintext: Uint8Array, associated: Uint8Array): Uint8Array {
  requireLength(key, KEY_BYTES, "ChaCha20-Poly1305 key");
  requireLength(nonce, AEAD_NONCE_BYTES, "ChaCha20-Poly1305 nonce");
  return chacha20poly1305(key, nonce, associated).encrypt(plaintext);
}

function open(key: Uint8Array, nonce: Uint8Array, sealed: Uint8Array, associated: Uint8Array): Uint8Array {
  requireLength(key, KEY_BYTES, "ChaCha20-Poly1305 key");
  requireLength(nonce, AEAD_NONCE_BYTES, "ChaCha20-Poly1305 nonce");
  if (sealed.length < AEAD_TAG_BYTES) throw forged();
  try {
    return chacha20poly1305(key, nonce, associated).decrypt(sealed);
  } catch {
    throw forged();
  }
}

function importX25519(secret: Uint8Array, publicKey?: Uint8Array): X25519KeyPair {
  requireLength(secret, KEY_BYTES, "X25519 secret key");
  if (publicKey) requireLength(publicKey, KEY_BYTES, "X25519 public key");
  return new NobleX25519(new Uint8Array(secret), publicKey && new Uint8Array(publicKey));
}

function importEd25519(seed: Uint8Array, publicKey?: Uint8Array): Ed25519KeyPair {
  requireLength(seed, KEY_BYTES, "Ed25519 seed");
  if (publicKey) requireLength(publicKey, KEY_BYTES, "Ed25519 public key");
  return new NobleEd25519(new Uint8Array(seed), publicKey && new Uint8Array(publicKey));
}

function importEd25519Public(bytes: Uint8Array, onCurve?: "unchecked"): Ed25519PublicKey {
  checkEd25519Public(bytes, onCurve);
  const key = new Uint8Array(bytes);
  return Object.freeze({
    bytes: key,
    verify: (message: Uint8Array, signature: Uint8Array): boolean => verify(key, message, signature),
  });
}

class NobleX25519 implements X25519KeyPair {
  readonly publicKey: Uint8Array;
  readonly #secret: Uint8Array;

  constructor(secret: Uint8Array, publicKey: Uint8Array | undefined) {
    this.#secret = secret;
    this.publicKey = publicKey ?? x25519.getPublicKey(secret);
  }

  agree(theirPublicKey: Uint8Array): Uint8Array {
    requireTheirLength(theirPublicKey, KEY_BYTES, "X25519 public key");
    return requireContributory(sharedSecret(this.#secret, theirPublicKey));
  }

  exportSecret(): Uint8Array {
    return new Uint8Array(this.#secret);
  }
}

/** noble refuses points of small order before it multiplies, by an error without a type; it has no other reason to throw here. */
function sharedSecret(secret: Uint8Array, theirPublicKey: Uint8Array): Uint8Array {
  try {
    return x25519.getSharedSecret(secret, theirPublicKey);
  } catch {
    throw smallOrder("X25519 public key");
  }
}

class NobleEd25519 implements Ed25519KeyPair {
  readonly publicKey: Uint8Array;
  readonly form = "seed";
  readonly #seed: Uint8Array;

  constructor(seed: Uint8Array, publicKey: Uint8Array | undefined) {
    this.#seed = seed;
    this.publicKey = publicKey ?? ed25519.getPublicKey(seed);
  }

  sign(message: Uint8Array): Uint8Array {
    return ed25519.sign(message, this.#seed);
  }

  exportSecret(): Uint8Array {
    return new Uint8Array(this.#seed);
  }
}

/**
 * R = SB - kA, compared as bytes: the equation without cofactor, as OpenSSL and ed25519-dalek's verify_strict have it.
 * noble's own `verify` multiplies by the cofactor, so it accepts signatures with torsion that the others refuse.
 */
function verify(key: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  if (!isPlausibleSignature(signature)) return false;
  const r = signature.subarray(0, KEY_BYTES);
  const s = fromLittleEndian(signature.subarray(KEY_BYTES));
  const k = hashToScalar(r, key, message);
  const point = pointOrNull(key);
  if (point === null) return false;
  return equalBytes(Point.BASE.multiplyUnsafe(s).subtract(point.multiplyUnsafe(k)).toBytes(), r);
}

/** The provider of every program without node:crypto. */
export const nobleProvider: CryptoProvider = createNobleProvider();
