import fc from "fast-check";
import { afterEach, describe, expect, it, vi } from "vitest";
import { decodeBase64, decodeBase64Url, encodeBase64, encodeBase64Url } from "#crypto/base64.ts";
import { CryptoError } from "#crypto/errors.ts";

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const ascii = (text: string): Uint8Array => new TextEncoder().encode(text);

/** The naive twin: bit by bit, through a string of binary digits. Null where the text is not canonical. */
function naiveDecode(text: string): number[] | null {
  const padded = /^(.*?)(={0,2})$/s.exec(text);
  const body = padded?.[1] ?? "";
  if (padded?.[2] !== "" && text.length % 4 !== 0) return null;
  if ([...body].some((character) => !ALPHABET.includes(character)) || body.length % 4 === 1) return null;
  const bits = [...body]
    .map((character) => ALPHABET.indexOf(character).toString(2).padStart(6, "0"))
    .join("");
  const whole = bits.length - (bits.length % 8);
  if (bits.slice(whole).includes("1")) return null;
  return (bits.slice(0, whole).match(/.{8}/g) ?? []).map((byte) => Number.parseInt(byte, 2));
}

function decodeOrNull(text: string): number[] | null {
  try {
    return [...decodeBase64(text)];
  } catch (error) {
    expect(error).toBeInstanceOf(CryptoError);
    expect(error).toHaveProperty("code", "BASE64");
    return null;
  }
}

afterEach(() => {
  vi.unstubAllGlobals();
  vi.resetModules();
});

describe("base64", () => {
  it("writes and reads the examples of the specification's appendix", () => {
    const examples = ["", "Zg", "Zm8", "Zm9v", "Zm9vYg", "Zm9vYmE", "Zm9vYmFy"];
    for (const [length, text] of examples.entries()) {
      expect(encodeBase64(ascii("foobar".slice(0, length)))).toBe(text);
      expect(decodeBase64(text)).toEqual(ascii("foobar".slice(0, length)));
    }
  });

  it("reads right padding as if it were not there", () => {
    expect(decodeBase64("Zg==")).toEqual(ascii("f"));
    expect(decodeBase64("Zm8=")).toEqual(ascii("fo"));
  });

  const refused: [string, string][] = [
    ["one '=' where two are due", "Zg="],
    ["two '=' where one is due", "Zm8=="],
    ["padding after a whole group", "Zm9v===="],
    ["padding alone", "===="],
    ["padding in the middle", "Zg==Zg=="],
    ["a lone character", "Z"],
    ["a lone character, padded", "Z==="],
    ["a space", "Zm9v Zm9v"],
    ["a final line feed", "Zm9v\n"],
    ["the URL-safe minus", "Zm9-"],
    ["the URL-safe underscore", "Zm9_"],
    ["trailing bits after two characters", "Zh"],
    ["trailing bits after three characters", "Zm9"],
    ["a character beyond ASCII", "Zm9é"],
    ["a character whose low byte is a letter", "Zm9\u0141"],
    ["a NUL", "Zm9\0"],
  ];
  it.each(refused)("refuses %s, short and long", (_name, text) => {
    const long = "QUJD".repeat(80) + text;
    expect(() => decodeBase64(text)).toThrow(expect.objectContaining({ code: "BASE64" }));
    expect(() => decodeBase64(long)).toThrow(expect.objectContaining({ code: "BASE64" }));
  });

  it("agrees with the naive twin on any text of nearly right characters", () => {
    const character = fc.constantFrom(...ALPHABET, "=", "-", "_", " ", "\n", "é");
    const nearly = fc.oneof(
      fc.string({ unit: fc.constantFrom(...ALPHABET), maxLength: 12 }),
      fc.string({ unit: character, maxLength: 12 }),
      fc
        .tuple(fc.string({ unit: fc.constantFrom(...ALPHABET), minLength: 150, maxLength: 160 }), character)
        .map((t) => t.join("")),
    );
    fc.assert(
      fc.property(nearly, (text) => {
        expect(decodeOrNull(text)).toEqual(naiveDecode(text));
      }),
      { numRuns: 2000 },
    );
  });

  it("gives back any bytes, padded or not, by either way in", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        const text = encodeBase64(bytes);
        expect(text).not.toContain("=");
        expect(decodeBase64(text)).toEqual(bytes);
        expect(decodeBase64(text.padEnd(Math.ceil(text.length / 4) * 4, "="))).toEqual(bytes);
        expect(decodeBase64Url(encodeBase64Url(bytes))).toEqual(bytes);
      }),
    );
  });

  it("does the same where there is no Buffer", async () => {
    vi.resetModules();
    const samples = fc.sample(fc.uint8Array({ maxLength: 300 }), 200);
    vi.stubGlobal("Buffer", undefined);
    const bare = await import("#crypto/base64.ts");
    const results = samples.map((bytes) => [bare.encodeBase64(bytes), bare.encodeBase64Url(bytes)] as const);
    const back = results.map(([text]) => bare.decodeBase64(text));
    vi.unstubAllGlobals();
    expect(results).toEqual(samples.map((bytes) => [encodeBase64(bytes), encodeBase64Url(bytes)]));
    expect(back).toEqual(samples);
  });

  it("keeps the two alphabets apart", () => {
    const bytes = Uint8Array.of(0xfb, 0xff, 0xfe);
    expect(encodeBase64(bytes)).toBe("+//+");
    expect(encodeBase64Url(bytes)).toBe("-__-");
    expect(() => decodeBase64("-__-")).toThrow(/standard base64/);
    expect(() => decodeBase64Url("+//+")).toThrow(/URL-safe base64/);
  });

  it("encodes a view's own bytes, not its whole buffer", () => {
    expect(encodeBase64(ascii("xxfooxx").subarray(2, 5))).toBe("Zm9v");
  });

  it("gives bytes of their own, in a buffer shared with nobody", () => {
    for (const text of ["Zm9v", "Zm9v".repeat(100)]) {
      const bytes = decodeBase64(text);
      expect(bytes.constructor).toBe(Uint8Array);
      expect(bytes.buffer.byteLength).toBe(bytes.length);
    }
  });

  it("says where the fault is and does not repeat the text, which may be a secret", () => {
    const secret = "c2VjcmV0c2VjcmV0";
    expect(() => decodeBase64(`${secret} ${secret}`)).toThrow(/U\+0020 at character 16 of 33/);
    expect(() => decodeBase64(`${secret} ${secret}`)).not.toThrow(new RegExp(secret));
  });
});
