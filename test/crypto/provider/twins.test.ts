// Naive twins of what the node provider does in its own way: HMAC and HKDF written down as RFC 2104 and RFC 5869 say, on whole arrays;
// PKCS#7 as RFC 5652 says. The provider must give the same bytes.
import { createCipheriv, createHash } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { outcome, PROVIDERS, toHex } from "./support.ts";

const sha256 = (...parts: Uint8Array[]): Uint8Array => {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part);
  return new Uint8Array(hash.digest());
};

const naiveHmac = (key: Uint8Array, data: Uint8Array): Uint8Array => {
  const block = new Uint8Array(64);
  block.set(key.length > 64 ? sha256(key) : key);
  const masked = (mask: number): Uint8Array => block.map((byte) => byte ^ mask);
  return sha256(masked(0x5c), sha256(masked(0x36), data));
};

const naiveHkdf = (salt: Uint8Array, secret: Uint8Array, info: Uint8Array, length: number): Uint8Array => {
  const key = naiveHmac(salt, secret);
  let previous = new Uint8Array(0);
  const out: number[] = [];
  for (let count = 1; out.length < length; count += 1) {
    previous = new Uint8Array(naiveHmac(key, Uint8Array.of(...previous, ...info, count)));
    out.push(...previous);
  }
  return Uint8Array.from(out.slice(0, length));
};

/** Long ones vary in length only, so that a failure shrinks in an instant. */
const long = (min: number, max: number): fc.Arbitrary<Uint8Array> =>
  fc.integer({ min, max }).map((length) => new Uint8Array(length).fill(0x5a));
const bytes = (min: number, max: number): fc.Arbitrary<Uint8Array> =>
  fc.uint8Array({ minLength: min, maxLength: max });

describe.each(PROVIDERS)("the %s provider", (_name, provider) => {
  it("makes the HMAC of RFC 2104, for short and long keys and data", () => {
    fc.assert(
      fc.property(bytes(0, 200), fc.oneof(bytes(0, 80), long(2000, 2100)), (key, data) => {
        expect(toHex(provider.hmacSha256(key, data))).toBe(toHex(naiveHmac(key, data)));
      }),
    );
  });

  it("makes the HKDF of RFC 5869, whatever the lengths", () => {
    const info = fc.oneof(bytes(0, 40), long(1000, 1024));
    fc.assert(
      fc.property(
        bytes(0, 100),
        bytes(0, 200),
        info,
        fc.integer({ min: 1, max: 200 }),
        (salt, secret, about, length) => {
          const made = provider.hkdfSha256(salt, secret, about, length);
          expect(toHex(made)).toBe(toHex(naiveHkdf(salt, secret, about, length)));
        },
      ),
    );
  });

  it("pads as RFC 5652 says, and takes only such padding off", () => {
    const key = new Uint8Array(32).fill(7);
    const iv = new Uint8Array(16).fill(9);
    fc.assert(
      fc.property(bytes(0, 50), bytes(16, 16), (plaintext, lastBlock) => {
        const own = provider.aesCbcEncrypt(key, iv, plaintext);
        const cipher = createCipheriv("aes-256-cbc", key, iv);
        expect(toHex(own)).toBe(Buffer.concat([cipher.update(plaintext), cipher.final()]).toString("hex"));
        expect(toHex(provider.aesCbcDecrypt(key, iv, own))).toBe(toHex(plaintext));
        const raw = createCipheriv("aes-256-cbc", key, iv).setAutoPadding(false).update(lastBlock);
        const count = lastBlock[15]!;
        const right =
          count >= 1 && count <= 16 && lastBlock.subarray(16 - count).every((byte) => byte === count);
        const expected = right ? toHex(lastBlock.subarray(0, 16 - count)) : "CryptoError PADDING";
        expect(outcome(() => provider.aesCbcDecrypt(key, iv, raw))).toBe(expected);
      }),
    );
  });

  it("leaves nothing of one call behind in the next", () => {
    const key = new Uint8Array(32).fill(1);
    provider.hmacSha256(new Uint8Array(64).fill(0xaa), new Uint8Array(1000).fill(0xbb));
    expect(toHex(provider.hmacSha256(key, Uint8Array.of(2)))).toBe(toHex(naiveHmac(key, Uint8Array.of(2))));
  });
});
