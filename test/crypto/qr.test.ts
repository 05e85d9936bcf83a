import fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import {
  encodeQrVerification,
  generateQrSecret,
  parseQrVerification,
  type QrVerification,
} from "#crypto/qr.ts";
import { startPeer } from "#test/peers/crypto/client.ts";
import { b64, counting, providers, refusal, utf8 } from "./support/formats.ts";

const rustSdk = startPeer("rust-sdk");
afterAll(() => rustSdk.close());

const own = counting(32);
const their = counting(32, 0x10);
const secret = counting(8, 0x20);
const common = { flowId: "$ABCD", secret };
const CODES: readonly QrVerification[] = [
  { ...common, mode: "other_user", ownMasterKey: own, theirMasterKey: their },
  { ...common, mode: "self_trusting", masterKey: own, otherDeviceKey: their },
  { ...common, mode: "self_untrusting", ownDeviceKey: own, masterKey: their },
];

/** The bytes of the specification's example, with a mode and a flow ID. */
const specified = (mode: number, flowId: string, length: number = utf8(flowId).length): Uint8Array =>
  Uint8Array.of(
    ...utf8("MATRIX"),
    2,
    mode,
    length >> 8,
    length & 255,
    ...utf8(flowId),
    ...own,
    ...their,
    ...secret,
  );

describe("QR code data", () => {
  // Modes 1 and 2 swap the places of the keys: the classic bug.
  it.each(CODES.map((code, mode) => [code.mode, mode, code] as const))(
    "lays out %s as mode %i, and reads it back",
    (_name, mode, code) => {
      expect(encodeQrVerification(code)).toEqual(specified(mode, "$ABCD"));
      expect(parseQrVerification(specified(mode, "$ABCD"))).toEqual(code);
    },
  );

  it("reads a view's own bytes, wherever in a buffer they lie", () => {
    const whole = specified(0, "$ABCD");
    const inside = Uint8Array.of(...new Uint8Array(100).fill(0xff), ...whole, 0xff).subarray(
      100,
      100 + whole.length,
    );
    expect(parseQrVerification(inside)).toEqual(CODES[0]);
  });

  it("gives back any flow ID and secret", () => {
    const flowId = fc.string({ unit: "grapheme", minLength: 1 });
    fc.assert(
      fc.property(
        flowId,
        fc.uint8Array({ minLength: 8, maxLength: 40 }),
        fc.nat({ max: 2 }),
        (id, bytes, mode) => {
          const code = { ...CODES[mode], flowId: id, secret: bytes } as QrVerification;
          expect(parseQrVerification(encodeQrVerification(code))).toEqual(code);
        },
      ),
    );
  });

  // mautrix-go's fix of 2026: lengths that were believed.
  it("refuses every shortening, and every wrong length of the flow ID, without reading beyond the end", () => {
    const whole = specified(0, "$ABCD");
    for (let length = 0; length < whole.length; length++) {
      expect(() => parseQrVerification(whole.subarray(0, length))).toThrow(refusal("FORMAT"));
      // The same bytes at the start of a longer buffer, where a careless reader finds more.
      expect(() => parseQrVerification(new Uint8Array(whole.buffer, 0, length))).toThrow(refusal("FORMAT"));
    }
    for (const length of [0, 6, 0x1000, 0xffff]) {
      expect(() => parseQrVerification(specified(0, "$ABCD", length))).toThrow(refusal("FORMAT"));
    }
  });

  it.each([
    ["another prefix", "FORMAT", Uint8Array.of(...utf8("MATRIQ"), ...specified(0, "$A").subarray(6))],
    ["version 1", "VERSION", Uint8Array.of(...utf8("MATRIX"), 1, ...specified(0, "$A").subarray(7))],
    ["version 3", "VERSION", Uint8Array.of(...utf8("MATRIX"), 3, ...specified(0, "$A").subarray(7))],
    ["mode 3", "UNSUPPORTED", specified(3, "$A")],
    ["a flow ID that is not UTF-8", "FORMAT", specified(0, "$A").fill(0xff, 10, 11)],
    ["more than a QR code can hold", "FORMAT", Uint8Array.of(...specified(0, "$A"), ...new Uint8Array(2953))],
  ] as const)("refuses %s", (_name, code, bytes) => {
    expect(() => parseQrVerification(bytes)).toThrow(refusal(code));
  });

  it("reads any bytes or refuses them by a typed error", () => {
    const garbage = fc.oneof(
      fc.uint8Array({ maxLength: 200 }),
      fc.uint8Array({ maxLength: 200 }).map((rest) => Uint8Array.of(...utf8("MATRIX"), 2, ...rest)),
    );
    fc.assert(
      fc.property(garbage, (bytes) => {
        try {
          expect(encodeQrVerification(parseQrVerification(bytes))).toEqual(bytes);
        } catch (error) {
          expect(error).toHaveProperty("name", "CryptoError");
        }
      }),
    );
  });

  it("refuses to write keys, secrets and IDs that nobody could read", () => {
    const [code] = CODES;
    if (code?.mode !== "other_user") throw new Error("the first mode is other_user");
    expect(() => encodeQrVerification({ ...code, ownMasterKey: counting(31) })).toThrow(RangeError);
    expect(() => encodeQrVerification({ ...code, secret: counting(7) })).toThrow(RangeError);
    expect(() => encodeQrVerification({ ...code, flowId: "" })).toThrow(RangeError);
    expect(() => encodeQrVerification({ ...code, flowId: "x".repeat(3000) })).toThrow(RangeError);
  });

  it("is taken by matrix-sdk-crypto, and refused by it where we refuse it", async () => {
    const [provider] = providers;
    if (provider === undefined) throw new Error("no provider");
    // It wants points of the curve, so the keys are real ones.
    const key = (): Uint8Array => provider.generateEd25519().publicKey;
    for (const code of [
      { ...common, mode: "other_user", ownMasterKey: key(), theirMasterKey: key() },
      { ...common, mode: "self_trusting", masterKey: key(), otherDeviceKey: key() },
      { ...common, mode: "self_untrusting", ownDeviceKey: key(), masterKey: key() },
    ] as const) {
      const bytes = encodeQrVerification({ ...code, secret: generateQrSecret(provider) });
      expect(await rustSdk.call("scanQr", b64(bytes))).toBe("taken");
      await expect(rustSdk.call("scanQr", b64(bytes.subarray(0, bytes.length - 9)))).rejects.toThrow();
    }
  });
});
