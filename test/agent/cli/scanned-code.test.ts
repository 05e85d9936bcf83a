// A code that something else scanned: as text, or on standard input.
import { Readable } from "node:stream";
import { describe, expect, it } from "vitest";
import { codeOf, readCode } from "#agent/cli/scanned-code.ts";
import type { Outside } from "#agent/outside.ts";

const CODE = Buffer.from([...Buffer.from("MATRIX"), 2, 0, 0, 1, 65, ...new Array<number>(80).fill(0xfe)]);
const BASE64 = CODE.toString("base64");

/** Of the outside only standard input is read here. */
const outside = (input: Uint8Array): Outside =>
  ({ stdin: Readable.from([input.subarray(0, 9), input.subarray(9)]) }) as unknown as Outside;

describe("a scanned code", () => {
  it.each([
    ["base64", BASE64],
    ["base64 in lines", BASE64.replace(/.{20}/g, "$&\n")],
    ["hexadecimal", CODE.toString("hex")],
    ["hexadecimal in capitals", CODE.toString("hex").toUpperCase()],
  ])("is taken as %s", (_name, text) => expect(codeOf(text)).toBe(BASE64));

  it("is taken from standard input as it is, and as text", async () => {
    expect(await readCode(outside(CODE), "-")).toBe(BASE64);
    expect(await readCode(outside(Buffer.from(`${BASE64}\n`)), "-")).toBe(BASE64);
  });

  it.each(["", "https://example.org", "TUFUUkk", Buffer.from("MATRIX".repeat(600)).toString("base64")])(
    "is refused where it is none: %.20s",
    (text) => expect(() => codeOf(text)).toThrow("expected the bytes of a verification code"),
  );

  it("is refused where standard input never ends", async () => {
    const endless = Readable.from(
      (function* () {
        for (;;) yield Buffer.alloc(1000, 65);
      })(),
    );
    // Of the outside only standard input is read here.
    await expect(readCode({ stdin: endless } as unknown as Outside, "-")).rejects.toThrow(
      "expected the bytes",
    );
  });
});
