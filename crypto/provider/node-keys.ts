// Keys on node:crypto. Each is imported into OpenSSL when first used, and stays there.
// A secret goes in and out as PKCS#8 (RFC 8410) and never as a JWK: JavaScript cannot wipe a string.
import {
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  type KeyObject,
  sign,
  verify,
} from "node:crypto";
import { decodeBase64Url, encodeBase64Url } from "../base64.ts";
import type { Ed25519KeyPair, Ed25519PublicKey, X25519KeyPair } from "../provider.ts";
import {
  checkEd25519Public,
  isPlausibleSignature,
  KEY_BYTES,
  requireContributory,
  requireLength,
  requireTheirLength,
  smallOrder,
} from "./checks.ts";
import { plain } from "./node-hmac.ts";

type Curve = "X25519" | "Ed25519";
const PKCS8_PREFIX: Record<Curve, Uint8Array> = { X25519: pkcs8Prefix(0x6e), Ed25519: pkcs8Prefix(0x70) };

function pkcs8Prefix(oidEnd: number): Uint8Array {
  return Uint8Array.of(0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, oidEnd, 4, 0x22, 4, 0x20);
}

function importSecret(curve: Curve, secret: Uint8Array): KeyObject {
  const prefix = PKCS8_PREFIX[curve];
  const der = Buffer.alloc(prefix.length + KEY_BYTES);
  der.set(prefix);
  der.set(secret, prefix.length);
  const key = createPrivateKey({ key: der, format: "der", type: "pkcs8" });
  der.fill(0);
  return key;
}

function exportSecret(key: KeyObject): Uint8Array {
  const der = key.export({ format: "der", type: "pkcs8" });
  const secret = new Uint8Array(KEY_BYTES);
  secret.set(der.subarray(der.length - KEY_BYTES));
  der.fill(0);
  return secret;
}

/**
 * Their X25519 keys that were imported last. Each is used twice in a row: a one-time key and a base key in one triple Diffie-Hellman,
 * a ratchet key when it comes and when it is answered; importing takes as long as the agreement itself. Public values only.
 */
const recent = new Map<string, KeyObject>();
const RECENT_MAX = 32;

function importTheirX25519(bytes: Uint8Array): KeyObject {
  const x = encodeBase64Url(bytes);
  const known = recent.get(x);
  if (known) return known;
  const key = createPublicKey({ key: { kty: "OKP", crv: "X25519", x }, format: "jwk" });
  for (const oldest of recent.keys()) {
    if (recent.size < RECENT_MAX) break;
    recent.delete(oldest);
  }
  recent.set(x, key);
  return key;
}

function importTheirEd25519(bytes: Uint8Array): KeyObject {
  return createPublicKey({ key: { kty: "OKP", crv: "Ed25519", x: encodeBase64Url(bytes) }, format: "jwk" });
}

/** As a JWK: twenty times as fast as DER, and nothing in it is secret. */
function publicBytes(key: KeyObject): Uint8Array {
  const { x } = key.export({ format: "jwk" });
  return decodeBase64Url(x ?? "");
}

export function generateX25519(): X25519KeyPair {
  const { publicKey, privateKey } = generateKeyPairSync("x25519");
  return new NodeX25519(publicBytes(publicKey), null, privateKey);
}

export function importX25519(secret: Uint8Array, publicKey?: Uint8Array): X25519KeyPair {
  requireLength(secret, KEY_BYTES, "X25519 secret key");
  if (publicKey) {
    requireLength(publicKey, KEY_BYTES, "X25519 public key");
    return new NodeX25519(new Uint8Array(publicKey), new Uint8Array(secret), null);
  }
  const key = importSecret("X25519", secret);
  return new NodeX25519(publicBytes(createPublicKey(key)), new Uint8Array(secret), key);
}

class NodeX25519 implements X25519KeyPair {
  readonly publicKey: Uint8Array;
  /** One of the two is always there; the other is made when it is first asked for. */
  #secret: Uint8Array | null;
  #key: KeyObject | null;

  constructor(publicKey: Uint8Array, secret: Uint8Array, key: KeyObject | null);
  constructor(publicKey: Uint8Array, secret: null, key: KeyObject);
  constructor(publicKey: Uint8Array, secret: Uint8Array | null, key: KeyObject | null) {
    this.publicKey = publicKey;
    this.#secret = secret;
    this.#key = key;
  }

  agree(theirPublicKey: Uint8Array): Uint8Array {
    requireTheirLength(theirPublicKey, KEY_BYTES, "X25519 public key");
    this.#key ??= importSecret("X25519", this.exportSecret());
    return requireContributory(sharedSecret(this.#key, importTheirX25519(theirPublicKey)));
  }

  exportSecret(): Uint8Array {
    if (this.#secret === null && this.#key !== null) this.#secret = exportSecret(this.#key);
    return new Uint8Array(this.#secret ?? []);
  }
}

/** OpenSSL refuses a zero result by an error; it has no other reason to fail on two imported X25519 keys. */
function sharedSecret(privateKey: KeyObject, publicKey: KeyObject): Uint8Array {
  try {
    return plain(diffieHellman({ privateKey, publicKey }));
  } catch {
    throw smallOrder("X25519 public key");
  }
}

export function generateEd25519(): Ed25519KeyPair {
  const { publicKey, privateKey } = generateKeyPairSync("ed25519");
  return new NodeEd25519(publicBytes(publicKey), exportSecret(privateKey), privateKey);
}

export function importEd25519(seed: Uint8Array, publicKey?: Uint8Array): Ed25519KeyPair {
  requireLength(seed, KEY_BYTES, "Ed25519 seed");
  if (publicKey) {
    requireLength(publicKey, KEY_BYTES, "Ed25519 public key");
    return new NodeEd25519(new Uint8Array(publicKey), new Uint8Array(seed), null);
  }
  const key = importSecret("Ed25519", seed);
  return new NodeEd25519(publicBytes(createPublicKey(key)), new Uint8Array(seed), key);
}

class NodeEd25519 implements Ed25519KeyPair {
  readonly publicKey: Uint8Array;
  readonly form = "seed";
  readonly #seed: Uint8Array;
  #key: KeyObject | null;

  constructor(publicKey: Uint8Array, seed: Uint8Array, key: KeyObject | null) {
    this.publicKey = publicKey;
    this.#seed = seed;
    this.#key = key;
  }

  sign(message: Uint8Array): Uint8Array {
    this.#key ??= importSecret("Ed25519", this.#seed);
    return plain(sign(null, message, this.#key));
  }

  exportSecret(): Uint8Array {
    return new Uint8Array(this.#seed);
  }
}

export function importEd25519Public(bytes: Uint8Array, onCurve?: "unchecked"): Ed25519PublicKey {
  checkEd25519Public(bytes, onCurve);
  return new NodeEd25519Public(new Uint8Array(bytes));
}

class NodeEd25519Public implements Ed25519PublicKey {
  readonly bytes: Uint8Array;
  #key: KeyObject | null = null;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  verify(message: Uint8Array, signature: Uint8Array): boolean {
    if (!isPlausibleSignature(signature)) return false;
    this.#key ??= importTheirEd25519(this.bytes);
    return verify(null, message, this.#key, signature);
  }
}
