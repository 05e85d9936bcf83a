import { describe, expect, it } from "vitest";
import {
  type ExportedSession,
  encodeBackedUpSession,
  encodeExportedSession,
  parseBackedUpSession,
  parseExportedSession,
} from "#crypto/exported-session.ts";
import { refusal } from "./support/formats.ts";

const session: ExportedSession = {
  algorithm: "m.megolm.v1.aes-sha2",
  roomId: "!room:example.org",
  sessionId: "id",
  sessionKey: "AQAA",
  senderKey: "curve",
  senderClaimedKeys: { ed25519: "ed" },
  forwardingCurve25519KeyChain: ["one"],
  sharedHistory: false,
};
const wire = encodeExportedSession(session);

describe("exported sessions", () => {
  it("are written with the specification's names, and read back", () => {
    expect(wire).toEqual({
      algorithm: "m.megolm.v1.aes-sha2",
      room_id: "!room:example.org",
      session_id: "id",
      session_key: "AQAA",
      sender_key: "curve",
      sender_claimed_keys: { ed25519: "ed" },
      forwarding_curve25519_key_chain: ["one"],
    });
    expect(parseExportedSession(wire)).toEqual(session);
  });

  it("are written without their IDs for a backup", () => {
    const { roomId: _room, sessionId: _id, ...backedUp } = session;
    expect(encodeBackedUpSession(session)).not.toHaveProperty("room_id");
    expect(parseBackedUpSession(encodeBackedUpSession(session))).toEqual(backedUp);
  });

  // matrix-sdk-crypto takes its two own names together for a duplicate field and loses the key.
  it("say shared history under the specification's name and the one of matrix-sdk-crypto, and never the third", () => {
    const shared = encodeExportedSession({ ...session, sharedHistory: true });
    expect(shared).toMatchObject({ shared_history: true, "m.shared_history": true });
    expect(Object.keys(shared)).not.toContain("org.matrix.msc3061.shared_history");
  });

  it.each(["shared_history", "m.shared_history", "org.matrix.msc3061.shared_history"])(
    "read shared history from %s, if it is the boolean",
    (name) => {
      expect(parseExportedSession({ ...wire, [name]: true }).sharedHistory).toBe(true);
      for (const value of [false, "true", 1, null, {}]) {
        expect(parseExportedSession({ ...wire, [name]: value }).sharedHistory).toBe(false);
      }
    },
  );

  it("are read without claimed keys and chain, as older clients left them out", () => {
    const { sender_claimed_keys: _keys, forwarding_curve25519_key_chain: _chain, ...rest } = wire;
    expect(parseExportedSession(rest)).toEqual({
      ...session,
      senderClaimedKeys: {},
      forwardingCurve25519KeyChain: [],
    });
  });

  it.each([
    ["algorithm", 1],
    ["room_id", undefined],
    ["session_id", null],
    ["session_key", {}],
    ["sender_key", undefined],
    ["sender_claimed_keys", []],
    ["sender_claimed_keys", { ed25519: 1 }],
    ["forwarding_curve25519_key_chain", {}],
    ["forwarding_curve25519_key_chain", [1]],
  ])("are refused with %s being %j", (name, value) => {
    expect(() => parseExportedSession({ ...wire, [name]: value })).toThrow(refusal("FORMAT"));
  });

  it("keep hostile names as members, and take nothing that is inherited", () => {
    const hostile: unknown = JSON.parse('{"__proto__":"key"}');
    const parsed = parseExportedSession({ ...wire, sender_claimed_keys: hostile });
    expect(Object.entries(parsed.senderClaimedKeys)).toEqual([["__proto__", "key"]]);
    expect(() => parseExportedSession(Object.create(wire))).toThrow(refusal("FORMAT"));
  });
});
