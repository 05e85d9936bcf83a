// The provider on node:crypto: AES constant-time in OpenSSL, curves an order faster than in JavaScript.
// How it is fast: keys are imported once and stay in the backend as KeyObjects (node-keys.ts), HMAC is two one-shot hashes
// and HKDF is made of those (node-hmac.ts), and ciphers get their keys as KeyObjects, too (node-symmetric.ts).
import { hash, hkdfSync, pbkdf2Sync, randomFillSync, timingSafeEqual } from "node:crypto";
import type { CryptoProvider, Random } from "../provider.ts";
import { KEY_BYTES, requireHkdf, requirePbkdf2 } from "./checks.ts";
import { importExpanded } from "./expanded.ts";
import { hkdfSha256, hmacSha256, plain } from "./node-hmac.ts";
import {
  generateEd25519,
  generateX25519,
  importEd25519,
  importEd25519Public,
  importX25519,
} from "./node-keys.ts";
import {
  aesCbcDecrypt,
  aesCbcEncrypt,
  aesCtr,
  aesCtrStream,
  open,
  seal,
  sha256Stream,
} from "./node-symmetric.ts";

/** A node provider; `random` replaces OpenSSL's generator, for keys too, which only tests should do. */
export function createNodeProvider(options: { readonly random?: Random } = {}): CryptoProvider {
  const { random } = options;
  return Object.freeze<CryptoProvider>({
    name: "node",
    random: random ?? ((length) => randomFillSync(new Uint8Array(length))),
    sha256: (data) => plain(hash("sha256", data, "buffer")),
    sha256Stream,
    sha512: (data) => plain(hash("sha512", data, "buffer")),
    hmacSha256,
    hkdfSha256,
    hkdfSha512,
    pbkdf2Sha512,
    aesCbcEncrypt,
    aesCbcDecrypt,
    aesCtr,
    aesCtrStream,
    seal,
    open,
    generateX25519: () => (random ? importX25519(random(KEY_BYTES)) : generateX25519()),
    importX25519,
    generateEd25519: () => (random ? importEd25519(random(KEY_BYTES)) : generateEd25519()),
    importEd25519,
    importEd25519Expanded: importExpanded,
    importEd25519Public,
    equal: (a, b) => a.length === b.length && timingSafeEqual(a, b),
  });
}

function hkdfSha512(salt: Uint8Array, secret: Uint8Array, info: Uint8Array, length: number): Uint8Array {
  requireHkdf(info, length, 64);
  return new Uint8Array(hkdfSync("sha512", secret, salt, info, length));
}

function pbkdf2Sha512(
  password: Uint8Array,
  salt: Uint8Array,
  iterations: number,
  length: number,
): Uint8Array {
  requirePbkdf2(iterations, length);
  return plain(pbkdf2Sync(password, salt, iterations, length, "sha512"));
}

/** The provider of every program on Node. */
export const nodeProvider: CryptoProvider = createNodeProvider();
