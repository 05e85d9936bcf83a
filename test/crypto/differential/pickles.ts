// The naive twin of the libolm pickle: its cipher, and outbound Megolm sessions set down at any index, so that a
// schedule can begin where a ratchet part rolls over, or just before the index wraps.
// Layout (big-endian): u32 version 1 | 128 bytes ratchet | u32 index | 32 bytes Ed25519 key | 64 bytes expanded secret.
import {
  createCipheriv,
  createDecipheriv,
  createHash,
  createHmac,
  generateKeyPairSync,
  hkdfSync,
} from "node:crypto";

const MAC_BYTES = 8;

const keysOf = (key: string): { aes: Buffer; mac: Buffer; iv: Buffer } => {
  const all = Buffer.from(hkdfSync("sha256", key, Buffer.alloc(0), "Pickle", 80));
  return { aes: all.subarray(0, 32), mac: all.subarray(32, 64), iv: all.subarray(64) };
};

const unpadded = (bytes: Buffer): string => bytes.toString("base64").replace(/=+$/, "");

export const sealPickle = (raw: Uint8Array, key: string): string => {
  const { aes, mac, iv } = keysOf(key);
  const cipher = createCipheriv("aes-256-cbc", aes, iv);
  const sealed = Buffer.concat([cipher.update(raw), cipher.final()]);
  const tag = createHmac("sha256", mac).update(sealed).digest().subarray(0, MAC_BYTES);
  return unpadded(Buffer.concat([sealed, tag]));
};

export const openPickle = (text: string, key: string): Buffer => {
  const { aes, iv } = keysOf(key);
  const cipher = createDecipheriv("aes-256-cbc", aes, iv);
  return Buffer.concat([cipher.update(Buffer.from(text, "base64").subarray(0, -MAC_BYTES)), cipher.final()]);
};

/** The raw pickle of an outbound Megolm session at `index` with the ratchet `ratchet` (128 bytes, any are valid). */
export const outboundAt = (ratchet: Uint8Array, index: number): Buffer => {
  const { privateKey, publicKey } = generateKeyPairSync("ed25519");
  const seed = privateKey.export({ format: "der", type: "pkcs8" }).subarray(-32);
  const expanded = createHash("sha512").update(seed).digest();
  expanded[0] = (expanded[0] ?? 0) & 248;
  expanded[31] = ((expanded[31] ?? 0) & 127) | 64;
  const numbers = Buffer.alloc(8);
  numbers.writeUInt32BE(1, 0);
  numbers.writeUInt32BE(index, 4);
  return Buffer.concat([
    numbers.subarray(0, 4),
    ratchet,
    numbers.subarray(4),
    publicKey.export({ format: "der", type: "spki" }).subarray(-32),
    expanded,
  ]);
};
