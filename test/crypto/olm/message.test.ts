// Olm messages on the wire: the layout byte by byte, and what is refused (the rows of the table of odd inputs that concern decoding).
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  decodeMessage,
  decodePreKeyMessage,
  encodeMessage,
  encodePreKeyMessage,
} from "#crypto/olm/message.ts";
import { hex, toHex } from "#test/crypto/provider/support.ts";
import { codeOf } from "./support.ts";

const key = (byte: number): Uint8Array => new Uint8Array(32).fill(byte);
const KEY = "11".repeat(32);
const MAC = "aabbccddeeff0011";
const NORMAL = `03 0a20${KEY} 1005 2210${"cc".repeat(16)} ${MAC}`;
const normal = (text: string): Uint8Array => hex(text.replaceAll(" ", ""));

describe("a normal message", () => {
  it("is laid out as the specification says, with room for the MAC", () => {
    expect(toHex(encodeMessage(key(0x11), 5, new Uint8Array(16).fill(0xcc)))).toBe(
      toHex(normal(NORMAL.replace(MAC, "00".repeat(8)))),
    );
  });

  it("carries its index also when that is zero", () => {
    expect(toHex(encodeMessage(key(0x11), 0, key(1)))).toContain(`${KEY}10002220`);
  });

  it("is taken apart into what the MAC covers and the MAC", () => {
    const message = decodeMessage(normal(NORMAL));
    expect(toHex(message.ratchetKey)).toBe(KEY);
    expect(message.index).toBe(5);
    expect(toHex(message.ciphertext)).toBe("cc".repeat(16));
    expect(toHex(message.mac)).toBe(MAC);
    expect(toHex(message.authenticated)).toBe(toHex(normal(NORMAL)).slice(0, -16));
  });

  it("comes back as it went, whatever is in it", () => {
    const ciphertext = fc.uint8Array({ minLength: 1, maxLength: 300 });
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 0xffff_ffff }), ciphertext, (index, bytes) => {
        const message = decodeMessage(encodeMessage(key(9), index, bytes));
        expect([message.index, toHex(message.ciphertext), toHex(message.ratchetKey)]).toEqual([
          index,
          toHex(bytes),
          toHex(key(9)),
        ]);
      }),
    );
  });

  it.each([
    ["nothing", "", "FORMAT"],
    ["a MAC alone", MAC, "FORMAT"],
    ["version 2", NORMAL.replace("03 ", "02 "), "VERSION"],
    ["version 4", NORMAL.replace("03 ", "04 "), "VERSION"],
    ["no MAC", NORMAL.replace(MAC, ""), "FORMAT"],
    ["a MAC of 7 bytes", NORMAL.replace(MAC, MAC.slice(2)), "FORMAT"],
    ["a MAC of 9 bytes", NORMAL.replace(MAC, `00${MAC}`), "FORMAT"],
    ["a MAC of 32 bytes", NORMAL.replace(MAC, "00".repeat(32)), "FORMAT"],
    ["reversed fields", `03 1005 0a20${KEY} 2210${"cc".repeat(16)} ${MAC}`, "FORMAT"],
    ["the ciphertext with tag 3", NORMAL.replace("2210", "1a10"), "FORMAT"],
    ["an index in two bytes that fits one", NORMAL.replace("1005", "108500"), "FORMAT"],
    ["an index of 2^32", NORMAL.replace("1005", "108080808010"), "FORMAT"],
    ["an index of eleven bytes", NORMAL.replace("1005", `10${"80".repeat(10)}01`), "FORMAT"],
    ["no index", NORMAL.replace("1005", ""), "FORMAT"],
    ["an index twice", NORMAL.replace("1005", "10051005"), "FORMAT"],
    ["an unknown field in front", NORMAL.replace("03 ", "03 2801 "), "FORMAT"],
    ["an unknown field behind", NORMAL.replace(` ${MAC}`, `2801 ${MAC}`), "FORMAT"],
    ["field number zero", NORMAL.replace("03 ", "03 0201ff "), "FORMAT"],
    ["a tag of two bytes", NORMAL.replace("0a20", "8a0020"), "FORMAT"],
    ["a ratchet key of 31 bytes", NORMAL.replace(`0a20${KEY}`, `0a1f${KEY.slice(2)}`), "FORMAT"],
    ["a ratchet key of 33 bytes", NORMAL.replace(`0a20${KEY}`, `0a2111${KEY}`), "FORMAT"],
    ["no ratchet key", NORMAL.replace(`0a20${KEY}`, ""), "FORMAT"],
    ["an empty ciphertext", `03 0a20${KEY} 1005 2200 ${MAC}`, "FORMAT"],
    ["no ciphertext", `03 0a20${KEY} 1005 ${MAC}`, "FORMAT"],
    ["a ciphertext that runs into the MAC", NORMAL.replace("2210", "2211"), "FORMAT"],
    ["a length in two bytes that fits one", NORMAL.replace("2210", "229000"), "FORMAT"],
  ])("is refused: %s", (_what, text, code) => {
    expect(codeOf(() => decodeMessage(normal(text)))).toBe(code);
  });

  it("is refused wherever it is cut off", () => {
    const whole = normal(NORMAL);
    for (let length = 0; length < whole.length; length += 1) {
      expect(codeOf(() => decodeMessage(whole.subarray(0, length)))).toMatch(/FORMAT|VERSION/);
    }
  });
});

describe("a pre-key message", () => {
  const KEYS = { oneTimeKey: key(0xa1), baseKey: key(0xb2), identityKey: key(0xc3) };
  const one = `0a20${"a1".repeat(32)}`;
  const base = `1220${"b2".repeat(32)}`;
  const identity = `1a20${"c3".repeat(32)}`;
  const inner = toHex(normal(NORMAL));
  const message = `22${(inner.length / 2).toString(16)}${inner}`;
  const decode = (text: string): string => {
    const decoded = decodePreKeyMessage(normal(text));
    return [decoded.oneTimeKey, decoded.baseKey, decoded.identityKey, decoded.message.ciphertext]
      .map(toHex)
      .join();
  };
  const expected = ["a1".repeat(32), "b2".repeat(32), "c3".repeat(32), "cc".repeat(16)].join();

  it("is laid out as the specification says", () => {
    expect(toHex(encodePreKeyMessage(KEYS, hex(inner)))).toBe(
      toHex(normal(`03${one}${base}${identity}${message}`)),
    );
  });

  it.each([
    ["in the order that libolm and vodozemac write", `03${one}${base}${identity}${message}`],
    ["in the order that goolm writes", `03${one}${identity}${base}${message}`],
    ["in any other order", `03${message}${identity}${base}${one}`],
    ["with unknown fields of both kinds", `03 3005 ${one}${base} 2a01ff ${identity}${message} 380a`],
    [
      "with a key twice, of which the last counts",
      `03 0a20${"ee".repeat(32)} ${one}${base}${identity}${message}`,
    ],
    ["with a length written long", `03${one.replace("0a20", "0aa000")}${base}${identity}${message}`],
  ])("is accepted %s", (_what, text) => {
    expect(decode(text)).toBe(expected);
  });

  it.each([
    ["nothing", "", "FORMAT"],
    ["version 4", `04${one}${base}${identity}${message}`, "VERSION"],
    ["version 2", `02${one}${base}${identity}${message}`, "VERSION"],
    ["no one-time key", `03${base}${identity}${message}`, "FORMAT"],
    ["no base key", `03${one}${identity}${message}`, "FORMAT"],
    ["no identity key", `03${one}${base}${message}`, "FORMAT"],
    ["no message", `03${one}${base}${identity}`, "FORMAT"],
    ["an empty message", `03${one}${base}${identity}2200`, "FORMAT"],
    ["a one-time key of 31 bytes", `03 0a1f${"a1".repeat(31)}${base}${identity}${message}`, "FORMAT"],
    ["a base key of 33 bytes", `03${one}1221${"b2".repeat(33)}${identity}${message}`, "FORMAT"],
    ["an identity key of no bytes", `03${one}${base}1a00${message}`, "FORMAT"],
    ["field number zero", `03 0201ff ${one}${base}${identity}${message}`, "FORMAT"],
    ["a tag of two bytes", `03 c20101ff ${one}${base}${identity}${message}`, "FORMAT"],
    ["an eleven-byte varint", `03 30${"80".repeat(10)}01 ${one}${base}${identity}${message}`, "FORMAT"],
    ["a key as a number", `03 0801 ${base}${identity}${message}`, "FORMAT"],
  ])("is refused: %s", (_what, text, code) => {
    expect(codeOf(() => decode(text))).toBe(code);
  });

  it("is refused when its inner message is not strictly encoded, or of another version", () => {
    const wrap = (text: string): string => {
      const bytes = toHex(normal(text));
      return `03${one}${base}${identity}22${(bytes.length / 2).toString(16)}${bytes}`;
    };
    expect(codeOf(() => decode(wrap(NORMAL.replace("1005", "108500"))))).toBe("FORMAT");
    expect(codeOf(() => decode(wrap(NORMAL.replace("03 ", "04 "))))).toBe("VERSION");
  });
});
