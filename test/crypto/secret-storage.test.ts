import fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import { decodeBase64, encodeBase64 } from "#crypto/base64.ts";
import {
  checkSecretStorageKey,
  createPassphraseInfo,
  decryptSecret,
  deriveSecretStorageKey,
  describeSecretStorageKey,
  type EncryptedSecret,
  encryptSecret,
  generateSecretStorageKey,
} from "#crypto/secret-storage.ts";
import { startPeer } from "#test/peers/crypto/client.ts";
import {
  b64,
  counting,
  expectHidden,
  flipped,
  fromB64,
  providers,
  refusal,
  utf8,
} from "./support/formats.ts";

const jsSdk = startPeer("js-sdk");
afterAll(() => jsSdk.close());

describe.each(providers)("secret storage ($name)", (provider) => {
  const key = counting(32, 50);
  const name = "m.cross_signing.master";

  it("gives back any text, under a new IV each time", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), fc.string(), (secret, anyName) => {
        const one = encryptSecret(provider, key, anyName, secret);
        const two = encryptSecret(provider, key, anyName, secret);
        expect(decryptSecret(provider, key, anyName, one)).toBe(secret);
        expect(one.iv).not.toBe(two.iv);
      }),
    );
  });

  it("clears bit 63 of every IV", () => {
    const ones = { ...provider, random: (length: number) => new Uint8Array(length).fill(0xff) };
    const ivs = [encryptSecret(ones, key, name, "x").iv, describeSecretStorageKey(ones, key).iv].map(
      decodeBase64,
    );
    const expected = new Uint8Array(16).fill(0xff).fill(0x7f, 8, 9);
    for (const iv of ivs) expect(iv).toEqual(expected);
  });

  it("binds a secret to its name and its key", () => {
    const encrypted = encryptSecret(provider, key, name, "secret");
    expect(() => decryptSecret(provider, key, "m.cross_signing.self_signing", encrypted)).toThrow(
      refusal("MAC"),
    );
    expect(() => decryptSecret(provider, counting(32, 51), name, encrypted)).toThrow(refusal("MAC"));
  });

  it("refuses a changed IV's plaintext only by what it is, and a changed ciphertext or MAC before decrypting", () => {
    const encrypted = encryptSecret(provider, key, name, "secret");
    const change = (part: keyof EncryptedSecret): EncryptedSecret => ({
      ...encrypted,
      [part]: encodeBase64(flipped(decodeBase64(encrypted[part]), 0)),
    });
    expect(() => decryptSecret(provider, key, name, change("ciphertext"))).toThrow(refusal("MAC"));
    expect(() => decryptSecret(provider, key, name, change("mac"))).toThrow(refusal("MAC"));
    const short = encodeBase64(decodeBase64(encrypted.mac).subarray(0, 31));
    expect(() => decryptSecret(provider, key, name, { ...encrypted, mac: short })).toThrow(refusal("FORMAT"));
  });

  it("reads padded base64 as the specification asks, and refuses what is not base64", () => {
    const encrypted = encryptSecret(provider, key, name, "secrets");
    const padded = Object.fromEntries(
      Object.entries(encrypted).map(([part, value]) => [part, b64(fromB64(String(value)))]),
    );
    expect(JSON.stringify(padded)).toContain("=");
    expect(decryptSecret(provider, key, name, padded)).toBe("secrets");
    expect(() => decryptSecret(provider, key, name, { ...encrypted, iv: `${encrypted.iv} ` })).toThrow(
      refusal("BASE64"),
    );
  });

  it.each([
    null,
    [],
    "x",
    {},
    { iv: 1, ciphertext: "", mac: "" },
    JSON.parse('{"__proto__":{"iv":"","mac":"","ciphertext":""}}'),
  ])("refuses %j as a secret", (encrypted) => {
    expect(() => decryptSecret(provider, key, name, encrypted)).toThrow(refusal("FORMAT"));
  });

  it("tells the right key from a wrong one by its description", () => {
    const description = JSON.parse(
      JSON.stringify(describeSecretStorageKey(provider, key, { name: "m.default" })),
    ) as object;
    expect(description).toMatchObject({ algorithm: "m.secret_storage.v1.aes-hmac-sha2", name: "m.default" });
    expect(checkSecretStorageKey(provider, key, description)).toBe("right");
    expect(checkSecretStorageKey(provider, counting(32, 51), description)).toBe("wrong");
  });

  it("calls a key unverifiable where the description has no IV or no MAC, as the specification wants", () => {
    const { iv, mac, algorithm } = describeSecretStorageKey(provider, key);
    for (const description of [{ algorithm }, { algorithm, iv }, { algorithm, mac }]) {
      expect(checkSecretStorageKey(provider, counting(32), description)).toBe("unverifiable");
    }
  });

  it("uses the first half of an IV of 32 bytes, as some clients wrote, and refuses a short one", () => {
    const description = describeSecretStorageKey(provider, key);
    const long = encodeBase64(Uint8Array.of(...decodeBase64(description.iv), ...counting(16)));
    expect(checkSecretStorageKey(provider, key, { ...description, iv: long })).toBe("right");
    const encrypted = encryptSecret(provider, key, name, "x");
    const longer = encodeBase64(Uint8Array.of(...decodeBase64(encrypted.iv), ...counting(16)));
    expect(decryptSecret(provider, key, name, { ...encrypted, iv: longer })).toBe("x");
    const short = encodeBase64(counting(9));
    expect(() => checkSecretStorageKey(provider, key, { ...description, iv: short })).toThrow(
      refusal("FORMAT"),
    );
  });

  it("refuses descriptions of other algorithms, and a MAC of another length", () => {
    const description = describeSecretStorageKey(provider, key);
    const other = { ...description, algorithm: "m.secret_storage.v1.curve25519-aes-sha2" };
    expect(() => checkSecretStorageKey(provider, key, other)).toThrow(refusal("UNSUPPORTED"));
    expect(() => checkSecretStorageKey(provider, key, { ...description, mac: "AAAA" })).toThrow(
      refusal("FORMAT"),
    );
    expect(() => checkSecretStorageKey(provider, counting(16), description)).toThrow(RangeError);
  });

  it("makes a key from a passphrase with at least 100,000 iterations", () => {
    const info = createPassphraseInfo(provider, 100_000);
    expect(info).toEqual({ algorithm: "m.pbkdf2", salt: info.salt, iterations: 100_000, bits: 256 });
    expect(info.salt).toMatch(/^[A-Za-z0-9_-]{32}$/);
    expect(createPassphraseInfo(provider).iterations).toBe(500_000);
    expect(() => createPassphraseInfo(provider, 99_999)).toThrow(RangeError);
    expect(() => createPassphraseInfo(provider, 100_000.5)).toThrow(RangeError);
  });

  it.each([
    ["another algorithm", "UNSUPPORTED", { algorithm: "m.scrypt" }],
    ["another length", "UNSUPPORTED", { bits: 512 }],
    ["more iterations than allowed", "UNSUPPORTED", { iterations: 5_000_001 }],
    ["an absurd number of iterations", "UNSUPPORTED", { iterations: 1e300 }],
    ["no iterations", "FORMAT", { iterations: 0 }],
    ["half an iteration", "FORMAT", { iterations: 0.5 }],
    ["iterations as text", "FORMAT", { iterations: "100000" }],
    ["no salt", "FORMAT", { salt: undefined }],
  ] as const)("refuses a passphrase with %s, before doing any work", (_name, code, change) => {
    const lazy = { ...provider, pbkdf2Sha512: () => expect.unreachable() };
    const info = { algorithm: "m.pbkdf2", salt: "salt", iterations: 100_000, ...change };
    expect(() => deriveSecretStorageKey(lazy, "x", info)).toThrow(refusal(code));
  });

  it("lets the caller allow more iterations", () => {
    const info = { algorithm: "m.pbkdf2", salt: "salt", iterations: 30 };
    expect(() => deriveSecretStorageKey(provider, "x", info, 29)).toThrow(refusal("UNSUPPORTED"));
    expect(deriveSecretStorageKey(provider, "x", info, 30)).toHaveLength(32);
  });

  it("says nothing of the key or the secret in its errors", () => {
    const encrypted = encryptSecret(provider, key, name, "0123456789abcdef");
    try {
      decryptSecret(provider, key, "other", encrypted);
      expect.unreachable();
    } catch (error) {
      expectHidden(error, key);
      expectHidden(error, utf8("0123456789abcdef"));
    }
  });

  it("agrees with matrix-js-sdk in both directions", async () => {
    for (const secret of ["", "a", "YWJj", "ein längerer Geheimnistext \u{1f510}".repeat(20)]) {
      const storageKey = generateSecretStorageKey(provider);
      const theirs = await jsSdk.call<EncryptedSecret>("encryptSecret", b64(storageKey), name, secret);
      expect(decryptSecret(provider, storageKey, name, theirs)).toBe(secret);
      const ours = encryptSecret(provider, storageKey, name, secret);
      expect(await jsSdk.call("decryptSecret", b64(storageKey), name, ours)).toBe(secret);
    }
  });

  it("checks keys as matrix-js-sdk does", async () => {
    const { iv, mac } = describeSecretStorageKey(provider, key);
    const theirs = await jsSdk.call<string>("keyCheck", b64(key), iv);
    expect(decodeBase64(theirs)).toEqual(decodeBase64(mac));
  });

  it("makes the key from a passphrase that matrix-js-sdk makes", async () => {
    const info = { algorithm: "m.pbkdf2", salt: "sälty", iterations: 1000, bits: 256 };
    const theirs = await jsSdk.call<string>("fromPassphrase", "pass wörd", info.salt, info.iterations);
    expect(deriveSecretStorageKey(provider, "pass wörd", info)).toEqual(fromB64(theirs));
  });
});
