// Megolm sessions: what goes over, what is checked in which order, sharing, exporting, comparing and merging.
import { describe, expect, it } from "vitest";
import { decodeBase64, encodeBase64 } from "#crypto/base64.ts";
import { MegolmInboundSession } from "#crypto/megolm/inbound.ts";
import { MESSAGE_INDEX_MAX } from "#crypto/megolm/limits.ts";
import { decodeMegolmMessage } from "#crypto/megolm/message.ts";
import { MegolmOutboundSession } from "#crypto/megolm/outbound.ts";
import { encodeSessionExport, encodeSessionKey } from "#crypto/megolm/session-key.ts";
import { nodeProvider } from "#crypto/provider/node.ts";
import { codeOf, snapshot } from "#test/crypto/olm/support.ts";
import { PROVIDERS } from "#test/crypto/provider/support.ts";
import { expectHidden, text } from "#test/crypto/support/formats.ts";
import { type Group, group, outboundAt } from "./support.ts";

const read = (session: MegolmInboundSession, body: string): string => text(session.decrypt(body).plaintext);
const fromExport = (exported: string): MegolmInboundSession =>
  MegolmInboundSession.fromExport(nodeProvider, exported);
const altered = (body: string, change: (bytes: Uint8Array) => Uint8Array): string =>
  encodeBase64(change(decodeBase64(body)));

describe.each(PROVIDERS)("a Megolm session on the %s provider", (_name, provider) => {
  it("carries messages, the empty one and any bytes too, each with its index", () => {
    const { outbound, inbound } = group(provider);
    for (const [i, length] of [0, 1, 16, 5000].entries()) {
      const plaintext = new Uint8Array(length).map((_, at) => at * 3);
      expect(inbound.decrypt(outbound.encrypt(plaintext))).toEqual({ plaintext, messageIndex: i });
    }
  });

  it("is shared and exported as bytes that the other side reads", () => {
    const { outbound, inbound } = group(provider);
    const body = outbound.encrypt("Grüße");
    expect(read(MegolmInboundSession.fromExport(provider, inbound.exportAt(0)), body)).toBe("Grüße");
  });
});

describe("an outbound session", () => {
  it("is named by its Ed25519 key and counts its messages", () => {
    const outbound = MegolmOutboundSession.create(nodeProvider);
    expect(decodeBase64(outbound.sessionId)).toEqual(outbound.exportState().signingKey.publicKey);
    expect(outbound.messageIndex).toBe(0);
    outbound.encrypt("x");
    outbound.encrypt("y");
    expect(outbound.messageIndex).toBe(2);
  });

  it("shares itself from the next message on", () => {
    const { outbound } = group();
    const missed = outbound.encrypt("missed");
    const late = MegolmInboundSession.fromSessionKey(nodeProvider, outbound.sessionKey());
    expect([late.firstKnownIndex, late.sessionId]).toEqual([1, outbound.sessionId]);
    expect(codeOf(() => late.decrypt(missed))).toBe("UNKNOWN_INDEX");
    expect(read(late, outbound.encrypt("seen"))).toBe("seen");
  });

  it("encrypts at index 2^32 - 1, and then refuses, keeps refusing, and says to rotate", () => {
    const outbound = outboundAt(MESSAGE_INDEX_MAX - 1);
    const inbound = MegolmInboundSession.fromSessionKey(nodeProvider, outbound.sessionKey());
    const messages = [outbound.encrypt("one"), outbound.encrypt("two")];
    expect(messages.map((body) => inbound.decrypt(body).messageIndex)).toEqual([2 ** 32 - 2, 2 ** 32 - 1]);
    expect(outbound.messageIndex).toBe(2 ** 32);
    expect(() => outbound.encrypt("three")).toThrow(/rotate/);
    expect(codeOf(() => outbound.encrypt("three"))).toBe("UNSUPPORTED");
    expect(codeOf(() => outbound.sessionKey())).toBe("UNSUPPORTED");
  });

  it("shows its ID only", () => {
    const { outbound } = group();
    expect(JSON.stringify(outbound)).toBe(JSON.stringify({ sessionId: outbound.sessionId }));
    const { ratchet, signingKey } = outbound.exportState();
    for (const secret of [ratchet!.bytes, signingKey.exportSecret()]) expectHidden(outbound, secret);
  });
});

describe("an inbound session", () => {
  it("reads in any order, and again", () => {
    const { outbound, inbound } = group();
    const bodies = Array.from({ length: 600 }, (_, i) => outbound.encrypt(`${i}`));
    for (const i of [599, 0, 300, 255, 256, 257, 1, 598, 0, 599]) {
      expect(inbound.decrypt(bodies[i]!)).toMatchObject({ messageIndex: i });
      expect(read(inbound, bodies[i]!)).toBe(`${i}`);
    }
  });

  it("keeps the latest ratchet for what follows, and the earliest for what came before", () => {
    const { outbound, inbound } = group();
    const bodies = Array.from({ length: 5 }, (_, i) => outbound.encrypt(`${i}`));
    inbound.decrypt(bodies[3]!);
    expect(inbound.exportState().latest.index).toBe(3);
    inbound.decrypt(bodies[1]!);
    expect(inbound.exportState().latest.index).toBe(3);
    expect([inbound.exportState().earliest.index, inbound.firstKnownIndex]).toEqual([0, 0]);
  });

  it("reads an index 2^31 - 1 ahead, and not 2^31", () => {
    const outbound = outboundAt(0);
    const inbound = MegolmInboundSession.fromSessionKey(nodeProvider, outbound.sessionKey());
    const far = (index: number): string => {
      const { signingKey } = outbound.exportState();
      const ratchet = inbound.exportState().earliest;
      const half = MegolmInboundSession.fromExport(nodeProvider, inbound.exportAt(2 ** 31 - 1)).exportState();
      const start = index < 2 ** 31 ? { ...half.earliest } : { bytes: ratchet.bytes, index };
      return new MegolmOutboundSession(nodeProvider, { signingKey, ratchet: start }).encrypt("far");
    };
    const before = snapshot(inbound);
    expect(codeOf(() => inbound.decrypt(far(2 ** 31)))).toBe("UNKNOWN_INDEX");
    expect(snapshot(inbound)).toBe(before);
    expect(read(inbound, far(2 ** 31 - 1))).toBe("far");
  });

  it("goes further from the latest ratchet than from the earliest, as libolm does", () => {
    const { inbound } = group();
    const { earliest, signingKey } = inbound.exportState();
    const latest = MegolmInboundSession.fromExport(nodeProvider, inbound.exportAt(2 ** 31 - 1)).exportState()
      .earliest;
    const ahead = { ...latest, index: 2 ** 31 + 5 };
    const state = { earliest, latest: ahead, signingKey, signingKeyVerified: true };
    const session = new MegolmInboundSession(nodeProvider, state);
    for (const index of [ahead.index, ahead.index + 300]) {
      expect(fromExport(session.exportAt(index)).firstKnownIndex).toBe(index);
    }
    expect(codeOf(() => session.exportAt(ahead.index - 1))).toBe("UNKNOWN_INDEX");
  });

  it("does not read across the wrap: index 0 is before 2^32 - 1", () => {
    const outbound = outboundAt(MESSAGE_INDEX_MAX);
    const inbound = MegolmInboundSession.fromSessionKey(nodeProvider, outbound.sessionKey());
    const { signingKey, ratchet } = outbound.exportState();
    const wrapped = new MegolmOutboundSession(nodeProvider, {
      signingKey,
      ratchet: { ...ratchet!, index: 0 },
    });
    expect(codeOf(() => inbound.decrypt(wrapped.encrypt("x")))).toBe("UNKNOWN_INDEX");
  });

  it("shows its ID only", () => {
    const { inbound } = group();
    expect(JSON.stringify(inbound)).toBe(JSON.stringify({ sessionId: inbound.sessionId }));
    expectHidden(inbound, inbound.exportState().earliest.bytes);
  });
});

describe("a message that is not authentic", () => {
  const resigned = ({ outbound }: Group, body: string, change: (bytes: Uint8Array) => Uint8Array): string =>
    altered(body, (bytes) => {
      const changed = change(bytes);
      const end = changed.length - 64;
      changed.set(outbound.exportState().signingKey.sign(changed.subarray(0, end)), end);
      return changed;
    });
  const flip = (bytes: Uint8Array, at: number): Uint8Array =>
    bytes.map((byte, i) => (i === (at + bytes.length) % bytes.length ? byte ^ 1 : byte));

  it("is refused with any one byte changed, and changes nothing", () => {
    const { outbound, inbound } = group();
    const body = outbound.encrypt("x");
    const before = snapshot(inbound);
    for (let at = 0; at < decodeBase64(body).length; at += 1) {
      expect(codeOf(() => inbound.decrypt(altered(body, (bytes) => flip(bytes, at))))).toMatch(
        /SIGNATURE|FORMAT|VERSION/,
      );
      expect(snapshot(inbound)).toBe(before);
    }
  });

  it("is refused for its signature before its index, its index before its MAC, its MAC before its padding", () => {
    const both = group();
    const early = both.outbound.encrypt("early");
    const exported = both.inbound.exportAt(1);
    const body = both.outbound.encrypt("x");
    const late = fromExport(exported);
    const before = snapshot(late);
    expect(codeOf(() => late.decrypt(altered(early, (bytes) => flip(bytes, -70))))).toBe("SIGNATURE");
    expect(codeOf(() => late.decrypt(resigned(both, early, (bytes) => flip(bytes, -70))))).toBe(
      "UNKNOWN_INDEX",
    );
    expect(codeOf(() => late.decrypt(resigned(both, body, (bytes) => flip(bytes, -70))))).toBe("MAC");
    expect(codeOf(() => late.decrypt(resigned(both, body, (bytes) => flip(bytes, 6))))).toBe("MAC");
    expect(snapshot(late)).toBe(before);
    expect(read(late, body)).toBe("x");
  });

  it("of another session is refused", () => {
    expect(codeOf(() => group().inbound.decrypt(group().outbound.encrypt("x")))).toBe("SIGNATURE");
  });

  it("is refused unless it is base64", () => {
    expect(codeOf(() => group().inbound.decrypt("%%%"))).toBe("BASE64");
  });
});

describe("a session key", () => {
  const parts = (): { outbound: MegolmOutboundSession; key: Uint8Array } => {
    const outbound = MegolmOutboundSession.create(nodeProvider);
    return { outbound, key: decodeBase64(outbound.sessionKey()) };
  };
  const use = (bytes: Uint8Array): MegolmInboundSession =>
    MegolmInboundSession.fromSessionKey(nodeProvider, encodeBase64(bytes));

  it("proves its signing key", () => {
    const { key } = parts();
    expect(use(key).signingKeyVerified).toBe(true);
  });

  it.each([1, 5, 132, 165, 228])("is refused with byte %i changed", (at) => {
    const { key } = parts();
    expect(codeOf(() => use(key.map((byte, i) => (i === at ? byte ^ 1 : byte))))).toBe("SIGNATURE");
  });

  it.each([
    ["of small order", new Uint8Array(32), "SMALL_ORDER"],
    ["that is not canonical", new Uint8Array(32).fill(0xff), "FORMAT"],
    ["that is not on the curve", Uint8Array.of(2, ...new Uint8Array(31)), "SIGNATURE"],
  ])("is refused with a key %s", (_what, publicKey, code) => {
    const { outbound } = parts();
    const { ratchet, signingKey } = outbound.exportState();
    const forged = encodeSessionKey(ratchet!, publicKey, (message) => signingKey.sign(message));
    expect(codeOf(() => use(forged))).toBe(code);
  });
});

describe("an export", () => {
  it("is 165 bytes from the index that was asked for", () => {
    const { inbound } = group();
    const bytes = decodeBase64(inbound.exportAt(300));
    expect([bytes.length, bytes[0], fromExport(inbound.exportAt(300)).firstKnownIndex]).toEqual([
      165, 1, 300,
    ]);
  });

  it("proves nothing until a message verifies", () => {
    const { outbound, inbound } = group();
    const imported = fromExport(inbound.exportAt(0));
    expect(imported.signingKeyVerified).toBe(false);
    imported.decrypt(outbound.encrypt("x"));
    expect(imported.signingKeyVerified).toBe(true);
  });

  it("does not proceed to another ratchet by being asked for", () => {
    const { inbound } = group();
    const before = snapshot(inbound);
    inbound.exportAt(5000);
    expect(snapshot(inbound)).toBe(before);
  });

  it.each([
    ["before the first known index", 4, "UNKNOWN_INDEX"],
    ["2^31 ahead", 5 + 2 ** 31, "UNKNOWN_INDEX"],
    ["beyond 32 bits", 2 ** 32, "UNKNOWN_INDEX"],
  ])("is refused %s", (_what, index, code) => {
    const session = fromExport(group().inbound.exportAt(5));
    expect(codeOf(() => session.exportAt(index))).toBe(code);
  });

  it.each([-1, 0.5, Number.NaN, Infinity])("is refused at index %d, which is none", (index) => {
    expect(() => group().inbound.exportAt(index)).toThrow(RangeError);
  });

  it.each([
    ["of small order", new Uint8Array(32), "SMALL_ORDER"],
    ["that is not canonical", new Uint8Array(32).fill(0xff), "FORMAT"],
    ["that is not on the curve", Uint8Array.of(2, ...new Uint8Array(31)), "FORMAT"],
  ])("is refused with a key %s", (_what, publicKey, code) => {
    const { earliest } = group().inbound.exportState();
    expect(codeOf(() => fromExport(encodeBase64(encodeSessionExport(earliest, publicKey))))).toBe(code);
  });
});

describe("two copies of a session", () => {
  const copies = (): { early: MegolmInboundSession; late: MegolmInboundSession } => {
    const { inbound } = group();
    return { early: inbound, late: fromExport(inbound.exportAt(70_000)) };
  };

  it("compare by where they begin", () => {
    const { early, late } = copies();
    expect([early.compare(late), late.compare(early)]).toEqual(["better", "worse"]);
    expect([early.compare(early), late.compare(fromExport(late.exportAt(70_000)))]).toEqual([
      "equal",
      "equal",
    ]);
  });

  it("compare by where they begin, not by how far they have read", () => {
    const { outbound, inbound } = group();
    const other = fromExport(inbound.exportAt(0));
    for (let i = 0; i < 3; i += 1) other.decrypt(outbound.encrypt("x"));
    expect(inbound.compare(other)).toBe("equal");
  });

  it("are unconnected when they are other sessions, or one has another ratchet", () => {
    const { early, late } = copies();
    expect(early.compare(group().inbound)).toBe("unconnected");
    const { signingKey } = late.exportState();
    const forged = encodeSessionExport({ bytes: new Uint8Array(128), index: 70_000 }, signingKey.bytes);
    expect(early.compare(fromExport(encodeBase64(forged)))).toBe("unconnected");
    expect(early.merge(group().inbound)).toBeNull();
  });

  it.each([
    ["early with late", true],
    ["late with early", false],
  ])("merge into the best of both: %s", (_what, earlyFirst) => {
    const { early, late } = copies();
    const merged = earlyFirst ? early.merge(late) : late.merge(early);
    expect([merged?.firstKnownIndex, merged?.signingKeyVerified]).toEqual([0, true]);
  });

  it("merge equal ones, verified where either is", () => {
    const { inbound } = group();
    const unverified = fromExport(inbound.exportAt(0));
    expect(unverified.merge(inbound)?.signingKeyVerified).toBe(true);
    expect(inbound.merge(unverified)?.signingKeyVerified).toBe(true);
    expect(unverified.merge(fromExport(inbound.exportAt(0)))?.signingKeyVerified).toBe(false);
  });

  it("merge into one that reads what the earlier one could", () => {
    const { outbound, inbound } = group();
    const first = outbound.encrypt("first");
    const merged = fromExport(inbound.exportAt(1)).merge(inbound);
    expect(read(merged!, first)).toBe("first");
  });
});

describe("errors say what does not hold", () => {
  it("of a message, and of a session key", () => {
    const { outbound, inbound } = group();
    const stray = group().outbound.encrypt("x");
    expect(() => inbound.decrypt(stray)).toThrow(/^Megolm message: its signature does not hold$/);
    const key = altered(outbound.sessionKey(), (bytes) =>
      bytes.map((byte, i) => (i === 9 ? byte ^ 1 : byte)),
    );
    expect(() => MegolmInboundSession.fromSessionKey(nodeProvider, key)).toThrow(
      /^Megolm session key: its signature does not hold$/,
    );
    expect(() => inbound.exportAt(-1)).toThrow(/^Megolm export: expected a message index, got -1$/);
  });

  it("of a MAC", () => {
    const { outbound, inbound } = group();
    const { signingKey } = outbound.exportState();
    const wrong = altered(outbound.encrypt("x"), (bytes) => {
      const end = bytes.length - 64;
      bytes[end - 1]! ^= 1;
      return Uint8Array.of(...bytes.subarray(0, end), ...signingKey.sign(bytes.subarray(0, end)));
    });
    expect(() => inbound.decrypt(wrong)).toThrow(/^Megolm message: the MAC does not match/);
  });
});

describe("a message's bytes", () => {
  it("hold the index that decrypting gives", () => {
    const { outbound, inbound } = group();
    for (let i = 0; i < 3; i += 1) {
      const body = outbound.encrypt("x");
      expect(decodeMegolmMessage(decodeBase64(body)).index).toBe(inbound.decrypt(body).messageIndex);
    }
  });
});
