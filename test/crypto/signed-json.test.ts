import { afterAll, describe, expect, it } from "vitest";
import { decodeBase64, encodeBase64 } from "#crypto/base64.ts";
import type { JsonObject } from "#crypto/shape.ts";
import { signableBytes, signatureOf, signJson, verifyJson } from "#crypto/signed-json.ts";
import { startPeer } from "#test/peers/crypto/client.ts";
import { b64, counting, flipped, fromB64, providers, refusal, text } from "./support/formats.ts";

// The seed, names and signatures of the specification's appendix, "Cryptographic Test Vectors".
// The seed's last character has a stray bit, so that our decoder refuses it; Node's does not mind.
const SEED = fromB64("YJDBA9Xnr2sVqXD9Vj7XVUnmFZcZrlw8Md7kMW+3XA1");
const SPECIFIED: [JsonObject, string][] = [
  [{}, "K8280/U9SSy9IVtjBuVeLr+HpOB4BQFWbg+UZaADMtTdGYI7Geitb76LTrr5QV/7Xg4ahLwYGYZzuHGZKM5ZAQ"],
  [
    { one: 1, two: "Two" },
    "KqmLSbO39/Bzb0QIYE82zqLwsA+PDzYIpIRA2sRQ4sL53+sN6/fpNSoqE7BP7vBZhG6kYdD13EIMJpvhJI+6Bw",
  ],
];

const libolm = startPeer("libolm");
afterAll(() => libolm.close());

describe.each(providers)("signed JSON ($name)", (provider) => {
  const key = provider.importEd25519(SEED);
  const publicKey = provider.importEd25519Public(key.publicKey);

  it.each(SPECIFIED)("signs %j as the specification's appendix does", (object, signature) => {
    const signed = signJson(object, "domain", "ed25519:1", key);
    expect(signed).toEqual({ ...object, signatures: { domain: { "ed25519:1": signature } } });
    expect(() => verifyJson(signed, "domain", "ed25519:1", publicKey)).not.toThrow();
  });

  it("covers neither signatures nor unsigned, and everything else", () => {
    const object = { a: 1, signatures: { x: { y: "z" } }, unsigned: { age: 1 } };
    expect(text(signableBytes(object))).toBe('{"a":1}');
    const signed = signJson(object, "@a:b", "ed25519:D", key);
    expect(() =>
      verifyJson({ ...signed, unsigned: { age: 2 } }, "@a:b", "ed25519:D", publicKey),
    ).not.toThrow();
    expect(() => verifyJson({ ...signed, a: 2 }, "@a:b", "ed25519:D", publicKey)).toThrow(
      refusal("SIGNATURE"),
    );
    expect(() => verifyJson({ ...signed, b: 1 }, "@a:b", "ed25519:D", publicKey)).toThrow(
      refusal("SIGNATURE"),
    );
  });

  it("keeps the signatures that were there, and changes nothing of its input", () => {
    const object = Object.freeze({
      signatures: Object.freeze({ "@a:b": Object.freeze({ k: "s" }), "@c:d": {} }),
    });
    const signed = signJson(object, "@a:b", "ed25519:D", key);
    expect(signed.signatures["@a:b"]).toEqual({
      k: "s",
      "ed25519:D": signatureOf(signed, "@a:b", "ed25519:D"),
    });
    expect(Object.keys(signed.signatures)).toEqual(["@a:b", "@c:d"]);
  });

  it("refuses a changed signature, another key, and one that is cut short or not base64", () => {
    const signed = signJson({ a: 1 }, "@a:b", "ed25519:D", key);
    const signature = decodeBase64(signatureOf(signed, "@a:b", "ed25519:D") ?? "");
    const withSignature = (value: unknown): JsonObject => ({
      a: 1,
      signatures: { "@a:b": { "ed25519:D": value } },
    });
    const check = (value: unknown): void => verifyJson(withSignature(value), "@a:b", "ed25519:D", publicKey);
    expect(() => check(encodeBase64(flipped(signature, 3)))).toThrow(refusal("SIGNATURE"));
    expect(() => check(encodeBase64(signature.subarray(0, 63)))).toThrow(refusal("SIGNATURE"));
    expect(() => check(`${encodeBase64(signature)}\n`)).toThrow(refusal("BASE64"));
    const other = provider.importEd25519Public(provider.generateEd25519().publicKey);
    expect(() => verifyJson(signed, "@a:b", "ed25519:D", other)).toThrow(refusal("SIGNATURE"));
  });

  it.each([
    ["no signatures", {}],
    ["signatures of others only", { signatures: { "@x:y": { "ed25519:D": "a" } } }],
    ["another key's only", { signatures: { "@a:b": { "ed25519:E": "a" } } }],
    ["a signature that is no text", { signatures: { "@a:b": { "ed25519:D": 1 } } }],
    ["signatures that are a list", { signatures: [["@a:b"]] }],
  ])("reports %s as missing", (_name, object) => {
    expect(() => verifyJson(object, "@a:b", "ed25519:D", publicKey)).toThrow(refusal("MISSING_KEY"));
  });

  // CVE-2023-28427, CVE-2022-36059: special strings in names of users and keys.
  it("treats hostile names as names: nothing inherited counts as a signature, and nothing is polluted", () => {
    for (const name of ["__proto__", "constructor", "toString", "hasOwnProperty"]) {
      expect(() => verifyJson({ signatures: {} }, name, name, publicKey)).toThrow(refusal("MISSING_KEY"));
      expect(() => verifyJson({ signatures: { [name]: {} } }, name, name, publicKey)).toThrow(
        refusal("MISSING_KEY"),
      );
      const signed = signJson({ a: 1 }, name, name, key);
      expect(() => verifyJson(signed, name, name, publicKey)).not.toThrow();
      expect(Object.hasOwn(signed.signatures, name)).toBe(true);
    }
    const object = JSON.parse('{"__proto__":{"user_id":"@evil:b"},"a":1}') as JsonObject;
    expect(text(signableBytes(object))).toBe('{"__proto__":{"user_id":"@evil:b"},"a":1}');
    expect(({} as JsonObject)["user_id"]).toBeUndefined();
  });

  // CVE-2022-39250: device IDs and public keys share the namespace of key IDs.
  it("verifies under the key that the caller pinned, whatever the key ID says", () => {
    const attacker = provider.generateEd25519();
    const masterId = `ed25519:${encodeBase64(key.publicKey)}`;
    const forged = signJson({ user_id: "@a:b" }, "@a:b", masterId, attacker);
    expect(() => verifyJson(forged, "@a:b", masterId, publicKey)).toThrow(refusal("SIGNATURE"));
  });

  it("agrees with libolm in both directions", async () => {
    const seed = counting(32, 9);
    const ours = provider.importEd25519(seed);
    const object = { b: "ü", a: [1, 2] };
    const message = text(signableBytes(object));
    const theirs = await libolm.call<{ publicKey: string; signature: string }>("sign", b64(seed), message);
    const signed = signJson(object, "@a:b", "ed25519:D", ours);
    expect(theirs).toEqual({
      publicKey: encodeBase64(ours.publicKey),
      signature: signatureOf(signed, "@a:b", "ed25519:D"),
    });
    await libolm.call("verify", theirs.publicKey, message, signatureOf(signed, "@a:b", "ed25519:D"));
  });
});
