// Megolm messages, session keys and exports on the wire: byte by byte, and what is refused.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decodeMegolmMessage, encodeMegolmMessage } from "#crypto/megolm/message.ts";
import {
  decodeSessionExport,
  decodeSessionKey,
  encodeSessionExport,
  encodeSessionKey,
} from "#crypto/megolm/session-key.ts";
import { codeOf } from "#test/crypto/olm/support.ts";
import { hex, toHex } from "#test/crypto/provider/support.ts";

const bytesOf = (text: string): Uint8Array => hex(text.replaceAll(" ", ""));
const MAC = "aabbccddeeff0011";
const SIGNATURE = "5e".repeat(64);
const TAIL = `${MAC} ${SIGNATURE}`;
const MESSAGE = `03 0805 1210${"cc".repeat(16)} ${TAIL}`;

describe("a Megolm message", () => {
  it("is laid out as the specification says, with room for MAC and signature", () => {
    expect(toHex(encodeMegolmMessage(5, new Uint8Array(16).fill(0xcc)))).toBe(
      toHex(bytesOf(MESSAGE.replace(TAIL, "00".repeat(72)))),
    );
  });

  it("carries its index also when that is zero", () => {
    expect(toHex(encodeMegolmMessage(0, Uint8Array.of(1)))).toMatch(/^0308001201/);
  });

  it("is taken apart into what MAC and signature cover", () => {
    const message = decodeMegolmMessage(bytesOf(MESSAGE));
    const whole = toHex(bytesOf(MESSAGE));
    expect([message.index, toHex(message.ciphertext)]).toEqual([5, "cc".repeat(16)]);
    expect([toHex(message.mac), toHex(message.signature)]).toEqual([MAC, SIGNATURE]);
    expect(toHex(message.authenticated)).toBe(whole.slice(0, -2 * 72));
    expect(toHex(message.signed)).toBe(whole.slice(0, -2 * 64));
  });

  it("comes back as it went, whatever is in it", () => {
    const ciphertext = fc.uint8Array({ minLength: 1, maxLength: 300 });
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 0xffff_ffff }), ciphertext, (index, bytes) => {
        const message = decodeMegolmMessage(encodeMegolmMessage(index, bytes));
        expect([message.index, toHex(message.ciphertext)]).toEqual([index, toHex(bytes)]);
      }),
    );
  });

  it.each([
    ["nothing", "", "FORMAT"],
    ["MAC and signature alone", TAIL, "FORMAT"],
    ["version 2", MESSAGE.replace("03 ", "02 "), "VERSION"],
    ["version 4", MESSAGE.replace("03 ", "04 "), "VERSION"],
    ["a MAC of 7 bytes", MESSAGE.replace(MAC, MAC.slice(2)), "FORMAT"],
    ["a MAC of 32 bytes", MESSAGE.replace(MAC, "00".repeat(32)), "FORMAT"],
    ["no signature", MESSAGE.replace(SIGNATURE, ""), "FORMAT"],
    ["reversed fields", `03 1210${"cc".repeat(16)} 0805 ${TAIL}`, "FORMAT"],
    ["an index written long", MESSAGE.replace("0805", "088500"), "FORMAT"],
    ["an index of 2^32", MESSAGE.replace("0805", "088080808010"), "FORMAT"],
    ["an index of eleven bytes", MESSAGE.replace("0805", `08${"80".repeat(10)}01`), "FORMAT"],
    ["no index", MESSAGE.replace("0805", ""), "FORMAT"],
    ["an index twice", MESSAGE.replace("0805", "08050805"), "FORMAT"],
    ["an unknown field", MESSAGE.replace(` ${TAIL}`, `1801 ${TAIL}`), "FORMAT"],
    ["an unknown field in front", MESSAGE.replace("03 ", "03 1801 "), "FORMAT"],
    ["an empty ciphertext", `03 0805 1200 ${TAIL}`, "FORMAT"],
    ["no ciphertext", `03 0805 ${TAIL}`, "FORMAT"],
    ["a ciphertext that runs into the MAC", MESSAGE.replace("1210", "1211"), "FORMAT"],
    ["a length written long", MESSAGE.replace("1210", "129000"), "FORMAT"],
  ])("is refused: %s", (_what, text, code) => {
    expect(codeOf(() => decodeMegolmMessage(bytesOf(text)))).toBe(code);
  });
});

describe("errors say what was expected and what was found", () => {
  const short = "00".repeat(71);
  it.each([
    [bytesOf(""), /^Megolm message: expected more than 72 bytes, found 0$/],
    [bytesOf(`03${short}`), /^Megolm message: expected more than 72 bytes, found 72$/],
    [bytesOf(`0300${short}`), /^Megolm message: expected field 0x8, found the end at byte 1 of 1$/],
    [bytesOf(MESSAGE.replace("03 ", "04 ")), /^Megolm message: expected version 3, found 4$/],
    [bytesOf(`03 0805 1200 ${TAIL}`), /^Megolm message: expected a ciphertext, found an empty one$/],
  ])("of a message", (bytes, expected) => {
    expect(() => decodeMegolmMessage(bytes)).toThrow(expected);
  });

  it("of a session key and an export", () => {
    expect(() => decodeSessionKey(Uint8Array.of(1))).toThrow(
      /^Megolm session key: expected version 2, found 1$/,
    );
    expect(() => decodeSessionKey(Uint8Array.of(2))).toThrow(
      /^Megolm session key: expected 229 bytes, found 1$/,
    );
    expect(() => decodeSessionExport(Uint8Array.of(2))).toThrow(
      /^Megolm session export: expected version 1, found 2$/,
    );
    expect(() => decodeSessionExport(Uint8Array.of(1))).toThrow(
      /^Megolm session export: expected 165 bytes, found 1$/,
    );
  });
});

describe("a session key and an export", () => {
  const ratchet = { bytes: new Uint8Array(128).fill(0x11), index: 0x01020304 };
  const publicKey = new Uint8Array(32).fill(0x22);
  const body = `01020304 ${"11".repeat(128)} ${"22".repeat(32)}`;
  const key = `02 ${body} ${"33".repeat(64)}`;
  const exported = `01 ${body}`;

  it("are laid out as the specification says: 229 and 165 bytes", () => {
    const signed: string[] = [];
    const made = encodeSessionKey(ratchet, publicKey, (message) => {
      signed.push(toHex(message));
      return new Uint8Array(64).fill(0x33);
    });
    expect(toHex(made)).toBe(toHex(bytesOf(key)));
    expect(signed).toEqual([toHex(bytesOf(`02 ${body}`))]);
    expect(toHex(encodeSessionExport(ratchet, publicKey))).toBe(toHex(bytesOf(exported)));
    expect([made.length, bytesOf(exported).length]).toEqual([229, 165]);
  });

  it("are read back", () => {
    const decoded = decodeSessionKey(bytesOf(key));
    expect(decoded.ratchet).toEqual(ratchet);
    expect([toHex(decoded.signingKey), toHex(decoded.signature)]).toEqual(["22".repeat(32), "33".repeat(64)]);
    expect(toHex(decoded.signed)).toBe(toHex(bytesOf(`02 ${body}`)));
    const imported = decodeSessionExport(bytesOf(exported));
    expect([imported.ratchet, toHex(imported.signingKey)]).toEqual([ratchet, "22".repeat(32)]);
  });

  it("are read from the middle of other bytes, too, and keep a ratchet of their own", () => {
    const around = Uint8Array.of(9, 9, 9, ...bytesOf(exported), 9);
    const decoded = decodeSessionExport(around.subarray(3, 168));
    around.fill(0);
    expect(decoded.ratchet).toEqual(ratchet);
  });

  it.each([
    ["nothing", "", "FORMAT"],
    ["version 1", key.replace("02 ", "01 "), "VERSION"],
    ["version 3", key.replace("02 ", "03 "), "VERSION"],
    ["an export", exported, "VERSION"],
    ["one byte short", key.slice(0, -2), "FORMAT"],
    ["one byte long", `${key}00`, "FORMAT"],
  ])("a session key is refused: %s", (_what, text, code) => {
    expect(codeOf(() => decodeSessionKey(bytesOf(text)))).toBe(code);
  });

  it.each([
    ["nothing", "", "FORMAT"],
    ["a session key", key, "VERSION"],
    ["version 0", exported.replace("01 ", "00 "), "VERSION"],
    ["one byte short", exported.slice(0, -2), "FORMAT"],
    ["one byte long", `${exported}00`, "FORMAT"],
  ])("an export is refused: %s", (_what, text, code) => {
    expect(codeOf(() => decodeSessionExport(bytesOf(text)))).toBe(code);
  });
});
