import fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import { decodeBase64, encodeBase64 } from "#crypto/base64.ts";
import {
  createPkEncryption,
  generatePkDecryption,
  generatePkSigning,
  importPkDecryption,
  importPkSigning,
  type PkMessage,
} from "#crypto/pk.ts";
import type { CryptoProvider } from "#crypto/provider.ts";
import { startPeer } from "#test/peers/crypto/client.ts";
import {
  b64,
  counting,
  expectHidden,
  flipped,
  fromB64,
  providers,
  refusal,
  text,
  utf8,
} from "./support/formats.ts";

const libolm = startPeer("libolm");
const rustSdk = startPeer("rust-sdk");
afterAll(() => Promise.all([libolm.close(), rustSdk.close()]));

const EMPTY = new Uint8Array(0);

/** The MAC key and ciphertext of a message, derived from the specification's text by hand. */
const opened = (provider: CryptoProvider, secret: Uint8Array, message: PkMessage) => {
  const shared = provider.importX25519(secret).agree(decodeBase64(message.ephemeral));
  const keys = provider.hkdfSha256(new Uint8Array(32), shared, EMPTY, 80);
  return { macKey: keys.subarray(32, 64), ciphertext: decodeBase64(message.ciphertext) };
};

describe.each(providers)("public-key encryption ($name)", (provider) => {
  const secret = counting(32, 7);
  const decryption = importPkDecryption(provider, secret);
  const encryption = createPkEncryption(provider, decryption.publicKey);

  it("gives back any bytes, under a new ephemeral key each time", () => {
    const seen = new Set<string>();
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), (plaintext) => {
        const message = encryption.encrypt(plaintext);
        expect(decryption.decrypt(message)).toEqual({ plaintext, macOver: "empty" });
        seen.add(message.ephemeral);
      }),
      { numRuns: 30 },
    );
    expect(seen.size).toBe(30);
  });

  // libolm's frozen bug: the MAC is over nothing.
  it("makes the MAC of the empty string, eight bytes of it", () => {
    const message = encryption.encrypt("secret");
    const { macKey } = opened(provider, secret, message);
    expect(decodeBase64(message.mac)).toEqual(provider.hmacSha256(macKey, EMPTY).slice(0, 8));
  });

  it("takes the MAC of the ciphertext too, and says so", () => {
    const message = encryption.encrypt("secret");
    const { macKey, ciphertext } = opened(provider, secret, message);
    const mac = encodeBase64(provider.hmacSha256(macKey, ciphertext).slice(0, 8));
    expect(decryption.decrypt({ ...message, mac })).toEqual({
      plaintext: utf8("secret"),
      macOver: "ciphertext",
    });
  });

  // mautrix-go's fix of 2026: a least length of the MAC instead of the exact one.
  it("refuses any other MAC, and a MAC of another length even if it begins rightly", () => {
    const message = encryption.encrypt("secret");
    const mac = decodeBase64(message.mac);
    const { macKey } = opened(provider, secret, message);
    const whole = provider.hmacSha256(macKey, EMPTY);
    expect(() => decryption.decrypt({ ...message, mac: encodeBase64(flipped(mac, 7)) })).toThrow(
      refusal("MAC"),
    );
    for (const bytes of [EMPTY, mac.subarray(0, 7), whole.subarray(0, 9), whole]) {
      expect(() => decryption.decrypt({ ...message, mac: encodeBase64(bytes) })).toThrow(refusal("FORMAT"));
    }
  });

  it("refuses a message for somebody else", () => {
    const message = createPkEncryption(provider, generatePkDecryption(provider).publicKey).encrypt("x");
    expect(() => decryption.decrypt(message)).toThrow(refusal("MAC"));
  });

  it("refuses a ciphertext that is empty or no whole number of blocks", () => {
    const message = encryption.encrypt("secret");
    for (const ciphertext of ["", encodeBase64(counting(15)), encodeBase64(counting(17))]) {
      expect(() => decryption.decrypt({ ...message, ciphertext })).toThrow(refusal("PADDING"));
    }
  });

  // The class of vodozemac's February 2026 advisory: a peer that chooses the shared secret.
  it("refuses keys of small order on both sides", () => {
    const message = encryption.encrypt("secret");
    const one = new Uint8Array(32);
    one[0] = 1;
    for (const key of [new Uint8Array(32), one]) {
      expect(() => createPkEncryption(provider, encodeBase64(key)).encrypt("x")).toThrow(
        refusal("SMALL_ORDER"),
      );
      expect(() => decryption.decrypt({ ...message, ephemeral: encodeBase64(key) })).toThrow(
        refusal("SMALL_ORDER"),
      );
    }
  });

  it("refuses keys of another length, and text that is not base64", () => {
    const message = encryption.encrypt("secret");
    expect(() => createPkEncryption(provider, encodeBase64(counting(31)))).toThrow(refusal("FORMAT"));
    expect(() => decryption.decrypt({ ...message, ephemeral: encodeBase64(counting(33)) })).toThrow(
      refusal("FORMAT"),
    );
    expect(() => decryption.decrypt({ ...message, ciphertext: "a b" })).toThrow(refusal("BASE64"));
    expect(() => importPkDecryption(provider, counting(31))).toThrow(RangeError);
  });

  it("shows no secret when it is printed", () => {
    expectHidden(decryption, secret);
    expect(JSON.parse(JSON.stringify(decryption))).toEqual({ publicKey: decryption.publicKey });
    expect(decryption.exportSecret()).toEqual(secret);
  });

  it("agrees with libolm in both directions", async () => {
    expect(await libolm.call("pkPublicKey", b64(secret))).toBe(decryption.publicKey);
    for (const plaintext of ["", "a", "zwölf Boxkämpfer", "x".repeat(1000)]) {
      const theirs = await libolm.call<PkMessage>("pkEncrypt", decryption.publicKey, plaintext);
      expect(text(decryption.decrypt(theirs).plaintext)).toBe(plaintext);
      expect(decryption.decrypt(theirs).macOver).toBe("empty");
      expect(await libolm.call("pkDecrypt", b64(secret), encryption.encrypt(plaintext))).toBe(plaintext);
    }
  });

  it("agrees with vodozemac in both directions", async () => {
    for (const plaintext of [counting(1), counting(200)]) {
      const theirs = await rustSdk.call<PkMessage>("pkEncrypt", decryption.publicKey, b64(plaintext));
      expect(decryption.decrypt(theirs)).toEqual({ plaintext, macOver: "empty" });
      const ours = await rustSdk.call<string>("pkDecrypt", b64(secret), encryption.encrypt(plaintext));
      expect(fromB64(ours)).toEqual(plaintext);
    }
  });

  // The class of CVE-2021-34813: lengths in pk_decrypt.
  it("refuses garbage by a typed error, whatever it is", () => {
    const part = fc.oneof(fc.string(), fc.uint8Array({ maxLength: 70 }).map(encodeBase64));
    fc.assert(
      fc.property(part, part, part, (ciphertext, mac, ephemeral) => {
        expect(() => decryption.decrypt({ ciphertext, mac, ephemeral })).toThrow(
          expect.objectContaining({ name: "CryptoError" }),
        );
      }),
    );
  });
});

describe.each(providers)("public-key signing ($name)", (provider) => {
  it("signs as libolm does, from the same seed", async () => {
    const signing = importPkSigning(provider, counting(32, 3));
    const theirs = await libolm.call<{ publicKey: string; signature: string }>(
      "sign",
      b64(counting(32, 3)),
      "mössage",
    );
    expect({ publicKey: signing.publicKey, signature: signing.sign("mössage") }).toEqual(theirs);
    expect(signing.sign(utf8("mössage"))).toBe(theirs.signature);
    await libolm.call("verify", signing.publicKey, "", signing.sign(""));
  });

  it("keeps its seed to itself, and gives a copy of it when asked", () => {
    const signing = importPkSigning(provider, counting(32, 3));
    expectHidden(signing, counting(32, 3));
    expect(signing.exportSeed()).toEqual(counting(32, 3));
    expect(generatePkSigning(provider).publicKey).not.toBe(generatePkSigning(provider).publicKey);
    expect(() => importPkSigning(provider, counting(64))).toThrow(RangeError);
  });
});
