// Key handles: what they show, where they come from, and that both providers make the same of the same secret.
import { inspect } from "node:util";
import { describe, expect, it } from "vitest";
import { createNobleProvider, nobleProvider } from "#crypto/provider/noble.ts";
import { createNodeProvider, nodeProvider } from "#crypto/provider/node.ts";
import type { CryptoProvider, Random } from "#crypto/provider.ts";
import { hex, PROVIDERS, toHex } from "./support.ts";

const SEED = new Uint8Array(32).map((_, i) => i + 1);
const MESSAGE = Uint8Array.of(1, 2, 3);

/** SHA-512 of the seed, its first half clamped: what libolm keeps of a key. */
const expand = (seed: Uint8Array): Uint8Array => {
  const expanded = nodeProvider.sha512(seed);
  expanded[0]! &= 0xf8;
  expanded[31] = (expanded[31]! & 0x7f) | 0x40;
  return expanded;
};

const counting = (): Random => {
  let next = 0;
  return (length) => new Uint8Array(length).map(() => next++ & 0xff);
};

describe.each(PROVIDERS)("keys of the %s provider", (_name, provider: CryptoProvider) => {
  const secrets: readonly (readonly [string, object, Uint8Array])[] = [
    ["X25519, imported", provider.importX25519(SEED), SEED],
    ["Ed25519, imported", provider.importEd25519(SEED), SEED],
    ["Ed25519, expanded", provider.importEd25519Expanded(expand(SEED)), expand(SEED)],
    ...[provider.generateX25519(), provider.generateEd25519()].map(
      (pair) => [`${pair.constructor.name}, generated`, pair, pair.exportSecret()] as const,
    ),
  ];

  it.each(secrets)("show their public half only: %s", (_what, pair, secret) => {
    const shown = `${inspect(pair, { depth: 9, showHidden: true, maxArrayLength: 999 })} ${JSON.stringify(pair)} ${String(pair)}`;
    expect(shown).toContain("publicKey");
    const list = [...secret.subarray(0, 8)];
    expect(shown.replaceAll(/\s+/g, " ")).not.toContain(list.join(", "));
    expect(shown).not.toContain(list.map((byte, i) => `"${i}":${byte}`).join(","));
    expect(shown).not.toContain(toHex(secret).slice(0, 16));
    expect(shown).not.toContain(Buffer.from(secret).toString("base64").slice(0, 12));
  });

  it("export copies, so that wiping one leaves the key working", () => {
    const [x, e] = [provider.generateX25519(), provider.generateEd25519()];
    const expected = toHex(e.sign(MESSAGE));
    x.exportSecret().fill(0);
    e.exportSecret().fill(0);
    expect(toHex(e.sign(MESSAGE))).toBe(expected);
    expect(toHex(provider.importX25519(x.exportSecret()).publicKey)).toBe(toHex(x.publicKey));
  });

  it("are copies of what they were imported from, a Buffer of Node's pool, too", () => {
    const secret = Buffer.from(SEED);
    const [x, e, v] = [
      provider.importX25519(secret, provider.importX25519(SEED).publicKey),
      provider.importEd25519(secret, provider.importEd25519(SEED).publicKey),
      provider.importEd25519Public(Buffer.from(provider.importEd25519(SEED).publicKey)),
    ];
    secret.fill(0);
    expect(toHex(x.exportSecret())).toBe(toHex(SEED));
    expect(v.verify(MESSAGE, e.sign(MESSAGE))).toBe(true);
  });

  it("agree with keys of their own kind", () => {
    const [a, b] = [provider.generateX25519(), provider.generateX25519()];
    expect(toHex(a.agree(b.publicKey))).toBe(toHex(b.agree(a.publicKey)));
    expect(toHex(provider.importX25519(a.exportSecret()).agree(b.publicKey))).toBe(
      toHex(a.agree(b.publicKey)),
    );
  });

  it("in libolm's expanded form sign as the seed does", () => {
    const [seed, expanded] = [provider.importEd25519(SEED), provider.importEd25519Expanded(expand(SEED))];
    expect(toHex(expanded.publicKey)).toBe(toHex(seed.publicKey));
    expect(toHex(expanded.sign(MESSAGE))).toBe(toHex(seed.sign(MESSAGE)));
    expect([seed.form, expanded.form]).toEqual(["seed", "expanded"]);
    expect(toHex(expanded.exportSecret())).toBe(toHex(expand(SEED)));
  });

  it("in expanded form are clamped, so that zeros are a key like any other", () => {
    const pair = provider.importEd25519Expanded(new Uint8Array(64));
    expect(provider.importEd25519Public(pair.publicKey).verify(MESSAGE, pair.sign(MESSAGE))).toBe(true);
    expect(toHex(pair.exportSecret())).toBe(`${"00".repeat(31)}40${"00".repeat(32)}`);
  });

  it("have a trusted public half where one is given", () => {
    const { publicKey } = provider.importEd25519(SEED);
    expect(toHex(provider.importEd25519(SEED, publicKey).sign(MESSAGE))).toBe(
      toHex(provider.importEd25519(SEED).sign(MESSAGE)),
    );
    expect(toHex(provider.importEd25519Expanded(expand(SEED), publicKey).publicKey)).toBe(toHex(publicKey));
  });

  it("come fresh each time", () => {
    const keys = Array.from({ length: 20 }, () => provider.generateX25519().publicKey);
    expect(new Set(keys.map(toHex)).size).toBe(20);
    expect(toHex(provider.random(32))).not.toBe(toHex(provider.random(32)));
    expect(provider.random(7)).toHaveLength(7);
  });

  it("give plain arrays, never Buffers", () => {
    const key = new Uint8Array(32);
    const results = [
      provider.random(3),
      provider.sha256(key),
      provider.sha512(key),
      provider.hmacSha256(key, key),
      provider.hmacSha256(key, new Uint8Array(5000)),
      provider.hkdfSha256(key, key, key, 9),
      provider.pbkdf2Sha512(key, key, 1, 9),
      provider.aesCbcEncrypt(key, key.subarray(16), key),
      provider.aesCtr(key, key.subarray(16), key),
      provider.generateX25519().agree(provider.generateX25519().publicKey),
      provider.generateEd25519().sign(key),
    ];
    for (const result of results) expect(Object.getPrototypeOf(result)).toBe(Uint8Array.prototype);
  });
});

describe("a provider with a source of randomness of its own", () => {
  it("makes its keys from it, both providers the same ones", () => {
    const [node, noble] = [
      createNodeProvider({ random: counting() }),
      createNobleProvider({ random: counting() }),
    ];
    for (let i = 0; i < 3; i += 1) {
      expect(toHex(node.generateX25519().publicKey)).toBe(toHex(noble.generateX25519().publicKey));
      expect(toHex(node.generateEd25519().publicKey)).toBe(toHex(noble.generateEd25519().publicKey));
    }
    expect(toHex(node.random(4))).toBe(toHex(noble.random(4)));
  });

  it("uses exactly 32 bytes for a key", () => {
    const asked: number[] = [];
    const random: Random = (length) => {
      asked.push(length);
      return new Uint8Array(length).fill(9);
    };
    createNodeProvider({ random }).generateX25519();
    createNobleProvider({ random }).generateEd25519();
    expect(asked).toEqual([32, 32]);
  });
});

describe("the two providers", () => {
  it("derive the same public keys", () => {
    expect(toHex(nodeProvider.importX25519(SEED).publicKey)).toBe(
      toHex(nobleProvider.importX25519(SEED).publicKey),
    );
    expect(toHex(nodeProvider.importEd25519(SEED).publicKey)).toBe(
      toHex(nobleProvider.importEd25519(SEED).publicKey),
    );
  });

  it("have names that say which is which", () => {
    expect([nodeProvider.name, nobleProvider.name]).toEqual(["node", "noble"]);
  });

  it("the node provider remembers only so many of their keys, and forgets none while it is used", () => {
    const ours = nodeProvider.importX25519(SEED);
    const theirs = Array.from({ length: 70 }, () => nodeProvider.generateX25519().publicKey);
    const expected = theirs.map((key) => toHex(nobleProvider.importX25519(SEED).agree(key)));
    expect([...theirs, ...theirs].map((key) => toHex(ours.agree(key)))).toEqual([...expected, ...expected]);
  });
});

describe.each(PROVIDERS)("equal of the %s provider", (_name, provider) => {
  it.each([
    ["", "", true],
    ["00", "", false],
    ["0102", "0102", true],
    ["0102", "0103", false],
    ["0102", "8102", false],
    ["0102", "010200", false],
  ])("compares %s with %s", (a, b, expected) => {
    expect(provider.equal(hex(a), hex(b))).toBe(expected);
  });
});
