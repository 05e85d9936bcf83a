import fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import { decodeRecoveryKey, encodeRecoveryKey } from "#crypto/recovery-key.ts";
import { startPeer } from "#test/peers/crypto/client.ts";
import { b64, counting, fromB64, refusal } from "./support/formats.ts";

const jsSdk = startPeer("js-sdk");
afterAll(() => jsSdk.close());

const key = counting(32, 200);
const written = encodeRecoveryKey(key);

describe("the recovery key", () => {
  it("is twelve groups of four characters and begins with E", () => {
    expect(written).toMatch(/^E(\S{3})( \S{4}){11}$/);
  });

  it("is read whatever its white space", () => {
    expect(decodeRecoveryKey(written)).toEqual(key);
    expect(decodeRecoveryKey(written.replaceAll(" ", ""))).toEqual(key);
    expect(decodeRecoveryKey(`\n ${written.replaceAll(" ", "\t\u00a0")}\r\n`)).toEqual(key);
  });

  it("refuses each single mistyped character", () => {
    const compact = written.replaceAll(" ", "");
    for (let at = 0; at < compact.length; at++) {
      const other = compact[at] === "a" ? "b" : "a";
      const typed = compact.slice(0, at) + other + compact.slice(at + 1);
      expect(() => decodeRecoveryKey(typed)).toThrow(refusal("FORMAT"));
    }
  });

  it.each([
    ["nothing", ""],
    ["characters outside base58", written.replace("E", "0")],
    ["a missing character", written.slice(0, -1)],
    ["one too many", `${written}a`],
    ["leading ones, which are zero bytes", `1${written}`],
    ["far too many characters, quickly", "E".repeat(1_000_000)],
    ["characters beyond ASCII", written.replace("E", "\u{1f511}")],
  ])("refuses %s", (_name, typed) => {
    expect(() => decodeRecoveryKey(typed)).toThrow(refusal("FORMAT"));
  });

  it("does not repeat what was typed in its errors", () => {
    expect(() => decodeRecoveryKey(`${written}a`)).toThrow(
      expect.objectContaining({ message: expect.not.stringContaining(written.slice(0, 9)) as unknown }),
    );
  });

  it("refuses to write keys of another length", () => {
    expect(() => encodeRecoveryKey(counting(31))).toThrow(RangeError);
  });

  it("agrees with matrix-js-sdk on any key, in both directions", async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ minLength: 32, maxLength: 32 }), async (bytes) => {
        const theirs = await jsSdk.call<string>("encodeRecoveryKey", b64(bytes));
        expect(encodeRecoveryKey(bytes)).toBe(theirs);
        expect(decodeRecoveryKey(theirs)).toEqual(bytes);
        expect(fromB64(await jsSdk.call<string>("decodeRecoveryKey", encodeRecoveryKey(bytes)))).toEqual(
          bytes,
        );
      }),
    );
  });
});
