import fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import { decodeBase64, encodeBase64 } from "#crypto/base64.ts";
import type { CryptoProvider } from "#crypto/provider.ts";
import {
  checkSasCommitment,
  createSas,
  SAS_MAC_METHODS,
  type SasContext,
  type SasMacContext,
  type SasSecret,
  sasCommitment,
  sasEmoji,
  sasInfo,
  sasKeyIdList,
  sasMacInfo,
  sasMacs,
  verifySasMacs,
} from "#crypto/sas.ts";
import { SAS_EMOJI } from "#crypto/sas-emoji.ts";
import { startPeer } from "#test/peers/crypto/client.ts";
import { counting, expectHidden, fromB64, providers, refusal, utf8 } from "./support/formats.ts";

const libolm = startPeer("libolm");
afterAll(() => libolm.close());

/** The naive twin: the specification's formulas, on a string of binary digits. */
const bitNumbers = (bytes: Uint8Array, width: number, count: number): number[] => {
  const bits = [...bytes].map((byte) => byte.toString(2).padStart(8, "0")).join("");
  return Array.from({ length: count }, (_, i) => Number.parseInt(bits.slice(i * width, (i + 1) * width), 2));
};

const pair = (provider: CryptoProvider): { a: SasSecret; b: SasSecret; context: SasContext } => {
  const alice = createSas(provider);
  const bob = createSas(provider);
  const context: SasContext = {
    starter: { userId: "@alice:a", deviceId: "ADEVICE", publicKey: alice.publicKey },
    accepter: { userId: "@bob:b", deviceId: "BDEVICE", publicKey: bob.publicKey },
    transactionId: "txn",
  };
  return { a: alice.agree(bob.publicKey), b: bob.agree(alice.publicKey), context };
};

const macContext: SasMacContext = {
  sender: { userId: "@alice:a", deviceId: "ADEVICE" },
  receiver: { userId: "@bob:b", deviceId: "BDEVICE" },
  transactionId: "txn",
};

describe("the table of emoji", () => {
  it("has 64 different ones with different names, spelt as the specification spells them", () => {
    expect(SAS_EMOJI).toHaveLength(64);
    expect(new Set(SAS_EMOJI.flat()).size).toBe(128);
    expect(sasEmoji([0, 21, 53, 63])).toEqual([
      { emoji: "\u{1f436}", name: "Dog" },
      { emoji: "\u2601\ufe0f", name: "Cloud" },
      { emoji: "\u2708\ufe0f", name: "Aeroplane" },
      { emoji: "\u{1f4cc}", name: "Pin" },
    ]);
    expect(() => sasEmoji([64])).toThrow(RangeError);
  });
});

describe("the texts that are hashed and MACed", () => {
  it("separate the parts of the strings' info by bars, and those of the MACs' by nothing", () => {
    const key = encodeBase64(counting(32));
    const starter = { userId: "@a:x", deviceId: "A", publicKey: `${key}=` };
    const accepter = { userId: "@b:y", deviceId: "B", publicKey: key };
    expect(sasInfo({ starter, accepter, transactionId: "t" })).toBe(
      `MATRIX_KEY_VERIFICATION_SAS|@a:x|A|${key}|@b:y|B|${key}|t`,
    );
    expect(sasMacInfo(macContext, "KEY_IDS")).toBe(
      "MATRIX_KEY_VERIFICATION_MAC@alice:aADEVICE@bob:bBDEVICEtxnKEY_IDS",
    );
  });

  it("sort key IDs by code point, capitals first", () => {
    expect(
      sasKeyIdList(["ed25519:b", "ed25519:DEV", "ed25519:+Q", "ed25519:\u{10000}", "ed25519:\uffff"]),
    ).toBe("ed25519:+Q,ed25519:DEV,ed25519:b,ed25519:\uffff,ed25519:\u{10000}");
  });
});

describe.each(providers)("short authentication strings ($name)", (provider) => {
  it("are the same on both sides, and others for another transaction", () => {
    const { a, b, context } = pair(provider);
    expect(a.emoji(context)).toEqual(b.emoji(context));
    expect(a.decimals(context)).toEqual(b.decimals(context));
    const other = { ...context, transactionId: "other" };
    expect([a.emoji(context), a.decimals(context)]).not.toEqual([a.emoji(other), a.decimals(other)]);
  });

  it("divide the bits as the specification's formulas do", () => {
    fc.assert(
      fc.property(fc.string(), (transactionId) => {
        const { a, context } = pair(provider);
        const bound = { ...context, transactionId };
        expect(a.emoji(bound)).toEqual(bitNumbers(a.bytes(sasInfo(bound), 6), 6, 7));
        expect(a.decimals(bound)).toEqual(bitNumbers(a.bytes(sasInfo(bound), 5), 13, 3).map((n) => n + 1000));
      }),
      { numRuns: 20 },
    );
  });

  it("refuse keys of small order, of another length, and our own sent back", () => {
    const sas = createSas(provider);
    expect(() => sas.agree(encodeBase64(new Uint8Array(32)))).toThrow(refusal("SMALL_ORDER"));
    expect(() => sas.agree(encodeBase64(counting(31)))).toThrow(refusal("FORMAT"));
    expect(() => sas.agree("?")).toThrow(refusal("BASE64"));
    expect(() => sas.agree(`${sas.publicKey}=`)).toThrow(refusal("PROTOCOL"));
  });

  it("show no secret when they are printed", () => {
    const fixed = { ...provider, generateX25519: () => provider.importX25519(counting(32)) };
    const sas = createSas(fixed);
    const other = createSas(provider);
    const secret = sas.agree(other.publicKey);
    expectHidden(sas, counting(32));
    expectHidden(secret, provider.importX25519(counting(32)).agree(decodeBase64(other.publicKey)));
  });

  it("commit to the key and to the start as it was sent", () => {
    const start = { method: "m.sas.v1", from_device: "A", "m.relates_to": { event_id: "$x" } };
    const key = encodeBase64(counting(32));
    const canonical = '{"from_device":"A","m.relates_to":{"event_id":"$x"},"method":"m.sas.v1"}';
    const commitment = sasCommitment(provider, key, start);
    expect(commitment).toBe(encodeBase64(provider.sha256(utf8(key + canonical))));
    expect(checkSasCommitment(provider, `${commitment}=`, key, start)).toBe(true);
    expect(checkSasCommitment(provider, commitment, encodeBase64(counting(32, 1)), start)).toBe(false);
    expect(checkSasCommitment(provider, commitment, key, { ...start, from_device: "B" })).toBe(false);
    expect(checkSasCommitment(provider, "AAAA", key, start)).toBe(false);
    expect(() => checkSasCommitment(provider, "*", key, start)).toThrow(refusal("BASE64"));
  });

  it.each(SAS_MAC_METHODS)("verify each other's keys with %s", (method) => {
    const { a, b } = pair(provider);
    const keys = new Map([
      ["ed25519:ADEVICE", encodeBase64(counting(32, 1))],
      ["ed25519:master", encodeBase64(counting(32, 2))],
    ]);
    const content: unknown = JSON.parse(JSON.stringify(sasMacs(a, method, macContext, keys)));
    const check = (lookUp: (keyId: string) => string | null, changed: unknown = content) =>
      verifySasMacs(provider, b, method, macContext, changed, lookUp);
    expect(check((keyId) => keys.get(keyId) ?? null)).toEqual({ verified: [...keys.keys()], skipped: [] });
    expect(check((keyId) => (keyId === "ed25519:master" ? null : (keys.get(keyId) ?? null)))).toEqual({
      verified: ["ed25519:ADEVICE"],
      skipped: ["ed25519:master"],
    });
    expect(() => check(() => encodeBase64(counting(32, 3)))).toThrow(refusal("MAC"));
    expect(() =>
      verifySasMacs(provider, b, method, { ...macContext, transactionId: "x" }, content, () => null),
    ).toThrow(refusal("MAC"));
  });

  it.each(SAS_MAC_METHODS)("notice a key that was added or taken away, with %s", (method) => {
    const { a, b } = pair(provider);
    const keys = new Map([
      ["ed25519:A", "one"],
      ["ed25519:B", "two"],
    ]);
    const content = sasMacs(a, method, macContext, keys);
    const { "ed25519:A": first, ...rest } = content.mac;
    const added = { ...content, mac: { ...content.mac, "ed25519:C": first } };
    const lookUp = (keyId: string): string | null => keys.get(keyId) ?? null;
    for (const changed of [{ ...content, mac: rest }, added]) {
      expect(() => verifySasMacs(provider, b, method, macContext, changed, lookUp)).toThrow(refusal("MAC"));
    }
  });

  it.each([
    null,
    {},
    { mac: {}, keys: 1 },
    { mac: [], keys: "" },
    JSON.parse('{"keys":"","mac":{"__proto__":1}}'),
  ])("refuse %j as MACs", (content) => {
    const { b } = pair(provider);
    expect(() => verifySasMacs(provider, b, "hkdf-hmac-sha256.v2", macContext, content, () => null)).toThrow(
      expect.objectContaining({ name: "CryptoError" }),
    );
  });

  // CVE-2022-39250: a device that is named like a master key must not be verified as that key.
  it("verify the one key that the caller has under an ID, whatever the ID looks like", () => {
    const { a, b } = pair(provider);
    const master = encodeBase64(counting(32, 1));
    const deviceKey = encodeBase64(counting(32, 2));
    const method = "hkdf-hmac-sha256.v2";
    const content = sasMacs(a, method, macContext, new Map([[`ed25519:${master}`, deviceKey]]));
    const check = (known: string) => verifySasMacs(provider, b, method, macContext, content, () => known);
    expect(() => check(master)).toThrow(refusal("MAC"));
    expect(check(deviceKey).verified).toEqual([`ed25519:${master}`]);
  });

  // libolm's frozen bug: of the old method only bytes 0, 1, 2, 4, 5 and 8 of the MAC survive.
  it("have libolm's broken base64 in the old method, exactly", async () => {
    for (let round = 0; round < 20; round++) {
      const ours = createSas(provider);
      const theirs = await libolm.call<{ h: number; publicKey: string }>("sasNew");
      await libolm.call("sasTheirKey", theirs.h, ours.publicKey);
      const secret = ours.agree(theirs.publicKey);
      const input = encodeBase64(counting(32, round));
      const info = sasMacInfo(macContext, `ed25519:${round}`);
      expect(secret.mac("hkdf-hmac-sha256", input, info)).toBe(
        await libolm.call("sasMac", theirs.h, input, info),
      );
      expect(secret.mac("hkdf-hmac-sha256.v2", input, info)).toBe(
        await libolm.call("sasMacFixed", theirs.h, input, info),
      );
      const bytes = await libolm.call<string>("sasBytes", theirs.h, `info ${round}`, 6);
      expect(secret.bytes(`info ${round}`, 6)).toEqual(fromB64(bytes));
    }
  });
});
