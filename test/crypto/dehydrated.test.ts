import { afterAll, describe, expect, it } from "vitest";
import { encodeBase64 } from "#crypto/base64.ts";
import { type DehydratedKeys, openDehydratedDevice, sealDehydratedDevice } from "#crypto/dehydrated.ts";
import type { CryptoProvider } from "#crypto/provider.ts";
import { startPeer } from "#test/peers/crypto/client.ts";
import { b64, counting, expectHidden, providers, refusal } from "./support/formats.ts";

const rustSdk = startPeer("rust-sdk");
afterAll(() => rustSdk.close());

type Upload = {
  readonly device_data: unknown;
  readonly device_id: string;
  readonly device_keys: { readonly keys: Record<string, string> };
  readonly one_time_keys: Record<string, { readonly key: string }>;
  readonly fallback_keys: Record<string, { readonly key: string }>;
};

const key = counting(32, 1);
const device: DehydratedKeys = {
  curve25519: counting(32, 10),
  ed25519: counting(32, 20),
  oneTimeKeys: [counting(32, 30), counting(32, 40)],
  fallbackKey: counting(32, 50),
};

/** device_data with the given plaintext, by hand. */
const dataOf = (provider: CryptoProvider, plaintext: Uint8Array): object => ({
  algorithm: "org.matrix.msc3814.v2",
  device_pickle: encodeBase64(provider.seal(key, counting(12), plaintext, new Uint8Array(0))),
  nonce: encodeBase64(counting(12)),
});
const plaintextOf = (
  version: readonly number[],
  count: readonly number[],
  ...rest: readonly number[]
): Uint8Array => Uint8Array.of(...version, ...device.curve25519, ...device.ed25519, ...count, ...rest);

describe.each(providers)("dehydrated devices ($name)", (provider) => {
  it("are given back, with and without a fallback key, under a new nonce each time", () => {
    for (const fallbackKey of [device.fallbackKey, null]) {
      const sealed = sealDehydratedDevice(provider, key, { ...device, fallbackKey });
      expect(openDehydratedDevice(provider, key, JSON.parse(JSON.stringify(sealed)))).toEqual({
        ...device,
        fallbackKey,
      });
      expect(sealed.nonce).not.toBe(sealDehydratedDevice(provider, key, device).nonce);
    }
  });

  // The proposal says 0x80000000, the implementation 1.
  it("are written as version 1, and read as the proposal's version too", () => {
    const sealed = sealDehydratedDevice({ ...provider, random: counting }, key, {
      ...device,
      oneTimeKeys: [],
      fallbackKey: null,
    });
    expect(sealed).toEqual(dataOf(provider, plaintextOf([0, 0, 0, 1], [0, 0, 0, 0], 0)));
    const proposed = dataOf(provider, plaintextOf([0x80, 0, 0, 0], [0, 0, 0, 0], 0));
    expect(openDehydratedDevice(provider, key, proposed)).toEqual({
      ...device,
      oneTimeKeys: [],
      fallbackKey: null,
    });
  });

  it.each([
    ["version 2", "VERSION", plaintextOf([0, 0, 0, 2], [0, 0, 0, 0], 0)],
    ["fewer keys than it counts", "FORMAT", plaintextOf([0, 0, 0, 1], [0, 0, 0, 1], 0)],
    [
      "a count that would not fit in memory",
      "FORMAT",
      plaintextOf([0, 0, 0, 1], [0xff, 0xff, 0xff, 0xff], 0),
    ],
    ["a flag that is neither 0 nor 1", "FORMAT", plaintextOf([0, 0, 0, 1], [0, 0, 0, 0], 2)],
    [
      "a fallback key that is cut short",
      "FORMAT",
      plaintextOf([0, 0, 0, 1], [0, 0, 0, 0], 1, ...counting(31)),
    ],
    ["a byte too many", "FORMAT", plaintextOf([0, 0, 0, 1], [0, 0, 0, 0], 0, 0)],
    ["nothing", "FORMAT", new Uint8Array(0)],
  ] as const)("are refused with %s inside", (_name, code, plaintext) => {
    expect(() => openDehydratedDevice(provider, key, dataOf(provider, plaintext))).toThrow(refusal(code));
  });

  it("are refused under another key, with another algorithm, or a nonce of another length", () => {
    const sealed = sealDehydratedDevice(provider, key, device);
    const open = (changed: object) => openDehydratedDevice(provider, key, { ...sealed, ...changed });
    expect(() => openDehydratedDevice(provider, counting(32, 2), sealed)).toThrow(refusal("MAC"));
    expect(() => open({ nonce: encodeBase64(counting(12, 9)) })).toThrow(refusal("MAC"));
    expect(() => open({ nonce: "AAAA" })).toThrow(refusal("FORMAT"));
    expect(() => open({ algorithm: "org.matrix.msc3814.v1.olm" })).toThrow(refusal("UNSUPPORTED"));
    expect(() => open({ device_pickle: 1 })).toThrow(refusal("FORMAT"));
    expect(() => open({ device_pickle: "" })).toThrow(refusal("MAC"));
  });

  it("refuse to be written with keys of another length, or too many", () => {
    expect(() => sealDehydratedDevice(provider, key, { ...device, ed25519: counting(64) })).toThrow(
      RangeError,
    );
    const oneTimeKeys = new Array<Uint8Array>(5001).fill(counting(32));
    expect(() => sealDehydratedDevice(provider, key, { ...device, oneTimeKeys })).toThrow(RangeError);
  });

  it("say nothing of their keys in what is uploaded", () => {
    expectHidden(sealDehydratedDevice(provider, key, device), device.ed25519);
  });

  it("of matrix-sdk-crypto are opened, and hold the secrets of the keys that it uploads", async () => {
    const upload = await rustSdk.call<Upload>("dehydrate", b64(key));
    const opened = openDehydratedDevice(provider, key, upload.device_data);
    const publicOf = (secret: Uint8Array): string => encodeBase64(provider.importX25519(secret).publicKey);
    expect(publicOf(opened.curve25519)).toBe(upload.device_id);
    expect(encodeBase64(provider.importEd25519(opened.ed25519).publicKey)).toBe(
      upload.device_keys.keys[`ed25519:${upload.device_id}`],
    );
    const uploaded = Object.values(upload.one_time_keys).map(({ key: publicKey }) => publicKey);
    expect(new Set(opened.oneTimeKeys.map(publicOf))).toEqual(new Set(uploaded));
    const [fallback] = Object.values(upload.fallback_keys);
    expect(opened.fallbackKey === null ? null : publicOf(opened.fallbackKey)).toBe(fallback?.key);
  });

  it("of ours are rehydrated by matrix-sdk-crypto, and refused by it under another key", async () => {
    const sealed = JSON.stringify(sealDehydratedDevice(provider, key, device));
    const deviceId = encodeBase64(provider.importX25519(device.curve25519).publicKey);
    expect(await rustSdk.call("rehydrate", b64(key), deviceId, sealed)).toBe("rehydrated");
    await expect(rustSdk.call("rehydrate", b64(counting(32)), deviceId, sealed)).rejects.toThrow();
  });
});
