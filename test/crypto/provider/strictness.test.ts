// Hostile inputs: both providers accept and refuse exactly the same, and the rows say what that is.
// (Row "Ed25519" and the all-zero keys of the table in which libolm, goolm and vodozemac disagree.)
import { ED25519_TORSION_SUBGROUP, ed25519 } from "@noble/curves/ed25519.js";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { nodeProvider } from "#crypto/provider/node.ts";
import { agreed, hex, toHex } from "./support.ts";

const P = 2n ** 255n - 19n;
const { Point } = ed25519;
const L = Point.Fn.ORDER;

const littleEndian = (value: bigint): Uint8Array =>
  Uint8Array.from({ length: 32 }, (_, i) => Number((value >> BigInt(8 * i)) & 0xffn));
const fromLittleEndian = (bytes: Uint8Array): bigint =>
  [...bytes].reduceRight((value, byte) => (value << 8n) | BigInt(byte), 0n);
const withTopBit = (bytes: Uint8Array): Uint8Array => bytes.map((byte, i) => (i === 31 ? byte | 0x80 : byte));
const join = (...parts: Uint8Array[]): Uint8Array => Uint8Array.from(parts.flatMap((part) => [...part]));

const SECRET = new Uint8Array(32).fill(0x42);
const MESSAGE = new TextEncoder().encode("a message");

// The u coordinates of order 1, 2, 4 and 8 on the curve and its twist (https://cr.yp.to/ecdh.html#validate).
const SMALL_U = [
  0n,
  1n,
  325606250916557431795983626356110631294008115727848805560023387167927233504n,
  39382357235489614581723060781553021112529911719440698176882885853963445705823n,
  P - 1n,
  P,
  P + 1n,
];

const agree = (u: Uint8Array): string => agreed((provider) => provider.importX25519(SECRET).agree(u));
const verify = (key: Uint8Array, message: Uint8Array, signature: Uint8Array): string =>
  agreed((provider) => provider.importEd25519Public(key).verify(message, signature));

describe("X25519 public keys", () => {
  it.each(SMALL_U)("of small order are refused: %s", (u) => {
    expect(agree(littleEndian(u))).toBe("CryptoError SMALL_ORDER");
    expect(agree(withTopBit(littleEndian(u)))).toBe("CryptoError SMALL_ORDER");
  });

  it.each([2n, 9n, 18n])("that are not canonical count modulo p, as RFC 7748 says: p + %s", (u) => {
    expect(agree(littleEndian(P + u))).toBe(agree(littleEndian(u)));
    expect(agree(withTopBit(littleEndian(u)))).toBe(agree(littleEndian(u)));
  });

  it.each([0, 31, 33, 64])("of %i bytes are refused", (length) => {
    expect(agree(new Uint8Array(length).fill(9))).toBe("CryptoError FORMAT");
  });

  it("of any bytes come out alike", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), (u) => {
        agree(u);
      }),
      { numRuns: 30 },
    );
  });
});

describe("Ed25519 public keys", () => {
  const importKey = (bytes: Uint8Array): string =>
    agreed((provider) => toHex(provider.importEd25519Public(bytes).bytes));

  it.each([...ED25519_TORSION_SUBGROUP])("of small order are refused: %s", (point) => {
    expect(importKey(hex(point))).toBe("CryptoError SMALL_ORDER");
  });

  it("of small order are refused with the wrong sign of x = 0, too", () => {
    expect(importKey(withTopBit(littleEndian(1n)))).toBe("CryptoError SMALL_ORDER");
    expect(importKey(withTopBit(littleEndian(P - 1n)))).toBe("CryptoError SMALL_ORDER");
  });

  it.each([0n, 1n, 3n, 18n])("that are not canonical are refused: p + %s", (y) => {
    expect(importKey(littleEndian(P + y))).toBe("CryptoError FORMAT");
    expect(importKey(withTopBit(littleEndian(P + y)))).toBe("CryptoError FORMAT");
  });

  it("that are not on the curve are refused, and verify nothing where that question is left out", () => {
    const offCurve = littleEndian(2n);
    expect(importKey(offCurve)).toBe("CryptoError FORMAT");
    const signature = nodeProvider.importEd25519(SECRET).sign(MESSAGE);
    const unchecked = agreed((provider) =>
      provider.importEd25519Public(offCurve, "unchecked").verify(MESSAGE, signature),
    );
    expect(unchecked).toBe("false");
  });

  it.each([
    ["small order", hex(ED25519_TORSION_SUBGROUP[1]!), "CryptoError SMALL_ORDER"],
    ["not canonical", littleEndian(P + 3n), "CryptoError FORMAT"],
  ])("are refused without the question about the curve, too: %s", (_what, bytes, expected) => {
    expect(agreed((provider) => provider.importEd25519Public(bytes, "unchecked").bytes)).toBe(expected);
  });

  it.each([0, 31, 33])("of %i bytes are refused", (length) => {
    expect(importKey(new Uint8Array(length).fill(9))).toBe("CryptoError FORMAT");
  });

  it("of any bytes come out alike", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), (bytes) => {
        importKey(bytes);
      }),
    );
  });
});

describe("Ed25519 signatures", () => {
  const pair = nodeProvider.importEd25519(SECRET);
  const key = pair.publicKey;
  const good = pair.sign(MESSAGE);
  const [r, s] = [good.subarray(0, 32), fromLittleEndian(good.subarray(32))];
  const { scalar } = ed25519.utils.getExtendedPublicKey(SECRET);
  const torsion = ED25519_TORSION_SUBGROUP.map((point) => Point.fromHex(point)).filter(
    (point) => !point.is0(),
  );
  const eighth = torsion.find((point) => !point.double().double().is0())!;
  const challenge = (commitment: Uint8Array, publicKey: Uint8Array, message: Uint8Array): bigint =>
    fromLittleEndian(nodeProvider.sha512(join(commitment, publicKey, message))) % L;

  it("hold", () => {
    expect(verify(key, MESSAGE, good)).toBe("true");
  });

  it.each([
    ["S + L", s + L],
    ["L", L],
    ["2^256 - 1", 2n ** 256n - 1n],
  ])("with S not below the group order are refused: %s", (_what, scalarS) => {
    expect(verify(key, MESSAGE, join(r, littleEndian(scalarS)))).toBe("false");
  });

  it("with S of zero are judged by the equation", () => {
    expect(verify(key, MESSAGE, join(r, littleEndian(0n)))).toBe("false");
  });

  it("with an R of small order are refused, though the equation holds", () => {
    for (const point of [Point.ZERO, ...torsion]) {
      const commitment = point.toBytes();
      const answer = (challenge(commitment, key, MESSAGE) * scalar) % L;
      expect(verify(key, MESSAGE, join(commitment, littleEndian(answer)))).toBe("false");
    }
  });

  it("with a canonical R that was written in a non-canonical way are refused", () => {
    expect(verify(key, MESSAGE, join(littleEndian(P + 3n), good.subarray(32)))).toBe("false");
  });

  it("that hold only when both sides are multiplied by the cofactor are refused", () => {
    const nonce = 12345n;
    const commitment = Point.BASE.multiply(nonce).add(eighth).toBytes();
    const answer = (nonce + challenge(commitment, key, MESSAGE) * scalar) % L;
    const signature = join(commitment, littleEndian(answer));
    expect(ed25519.verify(signature, MESSAGE, key)).toBe(true);
    expect(verify(key, MESSAGE, signature)).toBe("false");
  });

  it("under a key with a part of small order come out alike, whichever way", () => {
    const mixed = Point.BASE.multiply(scalar).add(eighth).toBytes();
    const seen = new Set<string>();
    for (let i = 0; i < 40; i += 1) {
      const nonce = BigInt(i + 1);
      const commitment = Point.BASE.multiply(nonce).toBytes();
      const message = Uint8Array.of(i);
      const answer = (nonce + challenge(commitment, mixed, message) * scalar) % L;
      seen.add(verify(mixed, message, join(commitment, littleEndian(answer))));
    }
    expect([...seen].sort()).toEqual(["false", "true"]);
  });

  it.each([0, 63, 65, 128])("of %i bytes are refused", (length) => {
    expect(verify(key, MESSAGE, new Uint8Array(length))).toBe("false");
  });

  it("with any one bit turned are refused", () => {
    for (let bit = 0; bit < 512; bit += 7) {
      const wrong = new Uint8Array(good);
      wrong[bit >> 3]! ^= 1 << (bit & 7);
      expect(verify(key, MESSAGE, wrong)).toBe("false");
    }
  });

  it("of another message are refused", () => {
    expect(verify(key, Uint8Array.of(0), good)).toBe("false");
  });
});

describe("ciphers", () => {
  const key = new Uint8Array(32).fill(3);
  const iv = new Uint8Array(16).fill(5);
  const nonce = new Uint8Array(12).fill(5);

  it("CBC decrypts any blocks alike, or refuses their padding alike", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (ciphertext) => {
        agreed((provider) => provider.aesCbcDecrypt(key, iv, ciphertext));
      }),
    );
  });

  it.each([0, 1, 15, 17, 31])("CBC refuses a ciphertext of %i bytes", (length) => {
    expect(agreed((provider) => provider.aesCbcDecrypt(key, iv, new Uint8Array(length)))).toBe(
      "CryptoError PADDING",
    );
  });

  it("CTR counts across its wrap alike", () => {
    const end = new Uint8Array(16).fill(0xff);
    expect(agreed((provider) => provider.aesCtr(key, end, new Uint8Array(40)))).toHaveLength(80);
  });

  it("a sealed box opens only unaltered, with its key, nonce and associated data", () => {
    const sealed = nodeProvider.seal(key, nonce, MESSAGE, iv);
    expect(agreed((provider) => provider.seal(key, nonce, MESSAGE, iv))).toBe(toHex(sealed));
    expect(agreed((provider) => provider.open(key, nonce, sealed, iv))).toBe(toHex(MESSAGE));
    for (let i = 0; i < sealed.length; i += 1) {
      const wrong = sealed.map((byte, at) => (at === i ? byte ^ 1 : byte));
      expect(agreed((provider) => provider.open(key, nonce, wrong, iv))).toBe("CryptoError MAC");
    }
    expect(agreed((provider) => provider.open(key, nonce, sealed, key))).toBe("CryptoError MAC");
    expect(agreed((provider) => provider.open(new Uint8Array(32), nonce, sealed, iv))).toBe(
      "CryptoError MAC",
    );
    expect(agreed((provider) => provider.open(key, nonce, sealed.subarray(0, 15), iv))).toBe(
      "CryptoError MAC",
    );
  });
});

describe("wrong arguments", () => {
  const k = (length: number): Uint8Array => new Uint8Array(length);
  it.each([
    ["AES-CBC key", (p) => p.aesCbcEncrypt(k(16), k(16), k(0))],
    ["AES-CBC IV", (p) => p.aesCbcEncrypt(k(32), k(12), k(0))],
    ["AES-CBC key, decrypting", (p) => p.aesCbcDecrypt(k(31), k(16), k(16))],
    ["AES-CTR key", (p) => p.aesCtr(k(33), k(16), k(0))],
    ["AES-CTR IV", (p) => p.aesCtr(k(32), k(15), k(0))],
    ["sealing key", (p) => p.seal(k(31), k(12), k(0), k(0))],
    ["sealing nonce", (p) => p.seal(k(32), k(24), k(0), k(0))],
    ["opening key", (p) => p.open(k(31), k(12), k(16), k(0))],
    ["opening nonce", (p) => p.open(k(32), k(11), k(16), k(0))],
    ["X25519 secret", (p) => p.importX25519(k(31))],
    ["X25519 public half", (p) => p.importX25519(k(32), k(31))],
    ["Ed25519 seed", (p) => p.importEd25519(k(64))],
    ["Ed25519 public half", (p) => p.importEd25519(k(32), k(33))],
    ["expanded key", (p) => p.importEd25519Expanded(k(32))],
    ["expanded key's public half", (p) => p.importEd25519Expanded(k(64), k(0))],
    ["HKDF length", (p) => p.hkdfSha256(k(0), k(0), k(0), 255 * 32 + 1)],
    ["HKDF length of zero", (p) => p.hkdfSha256(k(0), k(0), k(0), 0)],
    ["HKDF info", (p) => p.hkdfSha256(k(0), k(0), k(1025), 32)],
    ["HKDF-SHA-512 info", (p) => p.hkdfSha512(k(0), k(0), k(1025), 32)],
    ["HKDF-SHA-512 length", (p) => p.hkdfSha512(k(0), k(0), k(0), 1.5)],
    ["PBKDF2 iterations", (p) => p.pbkdf2Sha512(k(8), k(8), 0, 32)],
    ["PBKDF2 length", (p) => p.pbkdf2Sha512(k(8), k(8), 1, 0)],
  ] as const satisfies readonly (readonly [string, (p: typeof nodeProvider) => unknown])[])(
    "are a RangeError: %s",
    (_what, call) => {
      expect(agreed(call)).toBe("RangeError");
    },
  );

  it("PBKDF2 of both is the same", () => {
    expect(agreed((provider) => provider.pbkdf2Sha512(MESSAGE, SECRET, 3, 80))).toHaveLength(160);
  });
});
