// What Olm's errors say: what was expected, what was found, and nothing secret. Programs look at `code`; people read these.
import { describe, expect, it } from "vitest";
import { encodeBase64 } from "#crypto/base64.ts";
import { OlmAccount } from "#crypto/olm/account.ts";
import { decodeMessage, decodePreKeyMessage } from "#crypto/olm/message.ts";
import { verifySignature } from "#crypto/olm/signature.ts";
import { nodeProvider } from "#crypto/provider/node.ts";
import { hex } from "#test/crypto/provider/support.ts";
import { altered, established, pair } from "./support.ts";

const account = (): OlmAccount => OlmAccount.create(nodeProvider);
const MAC = "00".repeat(8);
const KEY = `0a20${"11".repeat(32)}`;
const pre = (rest: string): Uint8Array => hex(`03${rest}`.replaceAll(" ", ""));
const THREE = `${KEY}1220${"22".repeat(32)}1a20${"33".repeat(32)}`;

describe("errors of messages", () => {
  it.each([
    ["", /^Olm message: expected more than 8 bytes, found 0$/],
    [MAC, /^Olm message: expected more than 8 bytes, found 8$/],
    [`03${MAC}`, /^Olm message: expected field 0xa, found the end at byte 1 of 1$/],
    [`04${MAC}`, /^Olm message: expected version 3, found 4$/],
    [`030a0111${MAC}`, /^Olm message: ratchet key: expected 32 bytes, found 1$/],
    [`03${KEY}10002200${MAC}`, /^Olm message: expected a ciphertext, found an empty one$/],
    [`03${KEY}100022010000${MAC}`, /^Olm message: found bytes after the last field at byte 40 of 41$/],
  ])("say what a message has: %s", (text, expected) => {
    expect(() => decodeMessage(hex(text))).toThrow(expected);
  });

  it.each([
    [new Uint8Array(0), /^Olm pre-key message: expected a version, found nothing$/],
    [hex("05"), /^Olm pre-key message: expected version 3, found 5$/],
    [pre(""), /^Olm pre-key message: one-time key: expected 32 bytes, found none$/],
    [pre(KEY), /^Olm pre-key message: base key: expected 32 bytes, found none$/],
    [
      pre(`${KEY}1220${"22".repeat(32)}`),
      /^Olm pre-key message: identity key: expected 32 bytes, found none$/,
    ],
    [
      pre(`${KEY}1220${"22".repeat(32)}1a0133`),
      /^Olm pre-key message: identity key: expected 32 bytes, found 1$/,
    ],
    [pre(THREE), /^Olm message: expected more than 8 bytes, found 0$/],
    [pre("0200"), /^Olm pre-key message: found field 0x2 at byte 1$/],
  ])("say what a pre-key message has", (bytes, expected) => {
    expect(() => decodePreKeyMessage(bytes)).toThrow(expected);
  });
});

describe("errors of sessions", () => {
  it("say how far ahead a message is, and what is allowed", () => {
    const { aliceSession, bobSession } = established();
    const messages = Array.from({ length: 2002 }, () => aliceSession.encrypt(""));
    expect(() => bobSession.decrypt(messages[2001]!)).toThrow(
      /^Olm message: it skips 2001 messages of its chain, at most 2000 are allowed$/,
    );
  });

  it("say that a key is used up", () => {
    const { aliceSession, bobSession } = established();
    const message = aliceSession.encrypt("x");
    bobSession.decrypt(message);
    expect(() => bobSession.decrypt(message)).toThrow(
      /^Olm message: the key of index 0 is used up or was dropped$/,
    );
  });

  it("say that a MAC does not match", () => {
    const { aliceSession, bobSession } = established();
    const wrong = altered(aliceSession.encrypt("x"), (bytes) =>
      bytes.map((b, i) => (i === bytes.length - 1 ? b ^ 1 : b)),
    );
    expect(() => bobSession.decrypt(wrong)).toThrow(
      /^Olm message: the MAC does not match: damaged, forged, or for another key$/,
    );
  });

  it("say that a ratchet key answers nothing", () => {
    const { aliceSession, bobSession } = established();
    bobSession.decrypt(aliceSession.encrypt("x"));
    expect(() => bobSession.decrypt(established().aliceSession.encrypt("stray"))).toThrow(
      /^Olm message: a new ratchet key, though the last one has not been answered$/,
    );
  });
});

describe("errors of accounts", () => {
  it("say which count was given", () => {
    expect(() => account().generateOneTimeKeys(-2)).toThrow(
      /^one-time keys: expected a count from 0 to 5000, got -2$/,
    );
  });

  it("say whose key is wrong", () => {
    const { bob, first } = pair();
    const short = encodeBase64(new Uint8Array(5));
    expect(() => bob.createOutboundSession(short, short)).toThrow(
      /^their identity key: expected 32 bytes, found 5$/,
    );
    expect(() => bob.createOutboundSession(bob.curve25519, short)).toThrow(
      /^their one-time key: expected 32 bytes, found 5$/,
    );
    expect(() => bob.createInboundSession(short, first.body)).toThrow(
      /^their identity key: expected 32 bytes, found 5$/,
    );
    expect(() => bob.removeOneTimeKey(short)).toThrow(/^one-time key: expected 32 bytes, found 5$/);
  });

  it("say that the sender is another, or the one-time key gone", () => {
    const { alice, bob, first } = pair();
    expect(() => bob.createInboundSession(bob.curve25519, first.body)).toThrow(
      /^Olm pre-key message: its identity key is not the sender's$/,
    );
    expect(() => bob.createInboundSession(alice.curve25519, first.body)).toThrow(
      /^Olm pre-key message: its one-time key is used up, was dropped, or was never ours$/,
    );
  });

  it("say that a signature does not hold", () => {
    const alice = account();
    expect(() => verifySignature(nodeProvider, alice.ed25519, "x", alice.sign("y"))).toThrow(
      /^Ed25519 signature: it does not hold for this message and key$/,
    );
  });
});
