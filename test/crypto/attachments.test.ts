import fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import {
  type AttachmentInfo,
  decryptAttachment,
  encryptAttachment,
  encryptAttachmentStream,
  verifyAttachment,
} from "#crypto/attachments.ts";
import { decodeBase64, decodeBase64Url, encodeBase64 } from "#crypto/base64.ts";
import { CryptoError, type CryptoErrorCode } from "#crypto/errors.ts";
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

type Encrypted = { ciphertext: string; info: AttachmentInfo };

const rustSdk = startPeer("rust-sdk");
afterAll(() => rustSdk.close());

/** Members that an honest peer's info never has so: path, value. Each is refused by matrix-sdk-crypto too, as a test below shows. */
const BROKEN: readonly [name: string, code: CryptoErrorCode, path: string, value: unknown][] = [
  ["version 1", "VERSION", "v", "v1"],
  ["no version", "FORMAT", "v", undefined],
  ["another algorithm", "UNSUPPORTED", "key.alg", "A128CTR"],
  ["another key type", "UNSUPPORTED", "key.kty", "RSA"],
  ["a key that may not leave", "UNSUPPORTED", "key.ext", false],
  ["no ext", "UNSUPPORTED", "key.ext", undefined],
  ["no key operations", "FORMAT", "key.key_ops", undefined],
  ["one key operation", "FORMAT", "key.key_ops", ["encrypt"]],
  ["a short key", "FORMAT", "key.k", "AAAA"],
  ["a key in the other alphabet", "BASE64", "key.k", "+".repeat(43)],
  ["no hash", "FORMAT", "hashes", {}],
  ["a short hash", "FORMAT", "hashes.sha256", "AAAA"],
  ["a short IV", "FORMAT", "iv", "AAAA"],
  ["a long IV", "FORMAT", "iv", encodeBase64(counting(32))],
  ["another hash", "MAC", "hashes.sha256", encodeBase64(counting(32))],
];

/** A copy with the member at the path replaced; undefined leaves it out of the JSON. */
const changed = (object: object, path: string, value: unknown): unknown => {
  const [key = "", ...rest] = path.split(".");
  const members = Object.entries(object).map(([name, old]: [string, object]) => {
    if (name !== key) return [name, old];
    return [name, rest.length > 0 ? changed(old, rest.join("."), value) : value];
  });
  return JSON.parse(JSON.stringify(Object.fromEntries(members)));
};

describe.each(providers)("attachments ($name)", (provider) => {
  const plaintext = utf8("something-important");

  it("describes the key as the specification does, for each file anew", () => {
    const [one, two] = [encryptAttachment(provider, plaintext), encryptAttachment(provider, plaintext)];
    expect(one.info).toMatchObject({
      v: "v2",
      key: { kty: "oct", alg: "A256CTR", ext: true, key_ops: ["encrypt", "decrypt"] },
    });
    expect(decodeBase64Url(one.info.key.k)).toHaveLength(32);
    expect([...decodeBase64(one.info.iv).subarray(8)]).toEqual(new Array(8).fill(0));
    expect(decodeBase64(one.info.hashes.sha256)).toEqual(provider.sha256(one.ciphertext));
    expect(one.info.key.k).not.toBe(two.info.key.k);
    expect(one.info.iv).not.toBe(two.info.iv);
  });

  it("gives back any bytes, whole or in pieces", () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 100 }), { maxLength: 6 }), (pieces) => {
        const whole = Uint8Array.from(pieces.flatMap((piece) => [...piece]));
        const stream = encryptAttachmentStream(provider);
        const encrypted = pieces.map((piece) => stream.update(piece));
        const info = stream.finish();
        const ciphertext = Uint8Array.from(encrypted.flatMap((piece) => [...piece]));
        expect(decryptAttachment(provider, ciphertext, info)).toEqual(whole);
        const verifier = verifyAttachment(provider, JSON.parse(JSON.stringify(info)));
        for (const piece of encrypted) verifier.update(piece);
        const decryptor = verifier.finish();
        const back = encrypted.flatMap((piece) => [...decryptor.update(piece)]);
        decryptor.finish();
        expect(Uint8Array.from(back)).toEqual(whole);
      }),
    );
  });

  it.each(BROKEN)("refuses an info with %s", (_name, code, path, value) => {
    const { ciphertext, info } = encryptAttachment(provider, plaintext);
    const broken = changed(info, path, value);
    expect(() => decryptAttachment(provider, ciphertext, broken)).toThrow(refusal(code));
    expect(() => {
      const verifier = verifyAttachment(provider, broken);
      verifier.update(ciphertext);
      verifier.finish();
    }).toThrow(refusal(code));
  });

  it.each([null, undefined, 1, "v2", [], { v: 2 }, { v: "v2" }, JSON.parse('{"__proto__":{"v":"v2"}}')])(
    "refuses %j as an info",
    (info) => {
      expect(() => decryptAttachment(provider, plaintext, info)).toThrow(refusal("FORMAT"));
    },
  );

  it("accepts padded base64, key operations in any order, and members it does not know", () => {
    const { ciphertext, info } = encryptAttachment(provider, plaintext);
    const other = {
      ...info,
      url: "mxc://example.org/x",
      iv: `${info.iv}==`,
      hashes: { sha256: `${info.hashes.sha256}=`, sha512: "?" },
      key: { ...info.key, key_ops: ["decrypt", "encrypt", "wrapKey"] },
    };
    expect(decryptAttachment(provider, ciphertext, other)).toEqual(plaintext);
  });

  // The hash is what keeps a server from changing a file: CTR alone would decrypt it to a chosen change.
  it("decrypts nothing of a changed, shortened or lengthened ciphertext", () => {
    const { ciphertext, info } = encryptAttachment(provider, plaintext);
    const others = [
      flipped(ciphertext, 0),
      ciphertext.subarray(1),
      Uint8Array.of(...ciphertext, 0),
      new Uint8Array(0),
    ];
    for (const bytes of others) {
      expect(() => decryptAttachment(provider, bytes, info)).toThrow(refusal("MAC"));
      const verifier = verifyAttachment(provider, info);
      verifier.update(bytes);
      expect(() => verifier.finish()).toThrow(refusal("MAC"));
    }
  });

  it("notices a file that changed between the two passes", () => {
    const { ciphertext, info } = encryptAttachment(provider, plaintext);
    const verifier = verifyAttachment(provider, info);
    verifier.update(ciphertext);
    const decryptor = verifier.finish();
    decryptor.update(flipped(ciphertext, 4));
    expect(() => decryptor.finish()).toThrow(refusal("MAC"));
  });

  it("refuses to go on after finish", () => {
    const stream = encryptAttachmentStream(provider);
    stream.finish();
    expect(() => stream.update(plaintext)).toThrow(TypeError);
    expect(() => stream.finish()).toThrow(TypeError);
  });

  it("shows no key in a stream or an error", () => {
    const fixed = { ...provider, random: (length: number) => counting(length, 100) };
    expectHidden(encryptAttachmentStream(fixed), counting(32, 100));
    const { ciphertext, info } = encryptAttachment(fixed, plaintext);
    expectHidden(verifyAttachment(fixed, info), counting(32, 100));
    try {
      decryptAttachment(fixed, flipped(ciphertext, 0), info);
      expect.unreachable();
    } catch (error) {
      expect(error).toBeInstanceOf(CryptoError);
      expectHidden(error, counting(32, 100));
    }
  });

  it("agrees with matrix-sdk-crypto in both directions", async () => {
    for (const length of [0, 1, 16, 1000]) {
      const data = provider.random(length);
      const theirs = await rustSdk.call<Encrypted>("encryptAttachment", b64(data));
      expect(decryptAttachment(provider, fromB64(theirs.ciphertext), theirs.info)).toEqual(data);
      const ours = encryptAttachment(provider, data);
      expect(await rustSdk.call("decryptAttachment", b64(ours.ciphertext), ours.info)).toBe(b64(data));
    }
  });
});

describe("matrix-sdk-crypto", () => {
  it.each(BROKEN)("refuses an info with %s, as we do", async (_name, _code, path, value) => {
    const [provider] = providers;
    if (provider === undefined) throw new Error("no provider");
    const { ciphertext, info } = encryptAttachment(provider, utf8("x"));
    await expect(
      rustSdk.call("decryptAttachment", b64(ciphertext), changed(info, path, value)),
    ).rejects.toThrow();
  });
});
