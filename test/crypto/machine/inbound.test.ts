// The one rule of which key replaces which, whatever way a key came: rooms/inbound.ts.
import { describe, expect, it } from "vitest";
import type { ExportedSession } from "#crypto/exported-session.ts";
import { importSession } from "#crypto/machine/backup/import.ts";
import type { Context } from "#crypto/machine/context.ts";
import { type Taken, takeInbound } from "#crypto/machine/rooms/inbound.ts";
import { createMemoryStore } from "#crypto/machine/store/memory.ts";
import type { InboundRow } from "#crypto/machine/store/store.ts";
import { beginWork } from "#crypto/machine/store/work.ts";
import { MegolmInboundSession } from "#crypto/megolm/inbound.ts";
import { MegolmOutboundSession } from "#crypto/megolm/outbound.ts";
import { nodeProvider as provider } from "#crypto/provider/node.ts";

const ROOM = "!room:example.org";

/** One session: what its maker sends from an index on, what somebody else has of it, and a forged copy under the same ID. */
const makeSession = () => {
  const outbound = MegolmOutboundSession.create(provider);
  const whole = MegolmInboundSession.fromSessionKey(provider, outbound.sessionKey());
  const forged = MegolmInboundSession.fromSessionKey(
    provider,
    MegolmOutboundSession.create(provider).sessionKey(),
  );
  const { sessionId } = outbound;
  const at = (index: number): MegolmInboundSession =>
    MegolmInboundSession.fromExport(provider, whole.exportAt(index));
  const forgedAt = (): MegolmInboundSession =>
    new MegolmInboundSession(provider, {
      ...forged.exportState(),
      signingKey: whole.exportState().signingKey,
    });
  const direct = (session: MegolmInboundSession, owner = "@maker:example.org"): InboundRow => ({
    state: session.exportState(),
    owner,
    curve25519: `key of ${owner}`,
    ed25519: "ed",
    sharedHistory: false,
    origin: "device",
    forwardedBy: null,
  });
  const indirect = (session: MegolmInboundSession): InboundRow => ({
    ...direct(session),
    owner: null,
    curve25519: "claimed",
    origin: "forwarded",
    forwardedBy: "@other:example.org",
  });
  return { sessionId, at, forgedAt, direct, indirect };
};
type Session = ReturnType<typeof makeSession>;

const makeContext = (): { context: Context; became: number[] } => {
  const became: number[] = [];
  const context: Context = {
    provider,
    userId: "@us:example.org",
    deviceId: "US",
    rows: beginWork(createMemoryStore()),
    nowMs: 1,
    notify: () => undefined,
    nowReadable: () => void became.push(1),
  };
  return { context, became };
};

const REFUSED = "refused";
const take = (context: Context, { sessionId }: Session, row: InboundRow): Taken | typeof REFUSED => {
  try {
    return takeInbound(context, { roomId: ROOM, sessionId }, row);
  } catch {
    return REFUSED;
  }
};

type Rows = (session: Session) => readonly [known: InboundRow, fresh: InboundRow];

describe("a key that comes for a session that is known", () => {
  it.each<[string, Rows, Taken | typeof REFUSED, { owner: string | null; index: number }]>([
    [
      "its maker's, earlier",
      (s) => [s.direct(s.at(5)), s.direct(s.at(2))],
      "better",
      { owner: "@maker:example.org", index: 2 },
    ],
    [
      "its maker's, later",
      (s) => [s.direct(s.at(2)), s.direct(s.at(5))],
      "known",
      { owner: "@maker:example.org", index: 2 },
    ],
    [
      "another device's",
      (s) => [s.direct(s.at(2)), s.direct(s.at(0), "@thief:example.org")],
      REFUSED,
      { owner: "@maker:example.org", index: 2 },
    ],
    [
      "forwarded, earlier, of the same ratchet: whose it is stays proven",
      (s) => [s.direct(s.at(5)), s.indirect(s.at(2))],
      "better",
      { owner: "@maker:example.org", index: 2 },
    ],
    [
      "forwarded, later",
      (s) => [s.direct(s.at(2)), s.indirect(s.at(5))],
      "known",
      { owner: "@maker:example.org", index: 2 },
    ],
    [
      "forwarded, of another ratchet, over its maker's",
      (s) => [s.direct(s.at(2)), s.indirect(s.forgedAt())],
      REFUSED,
      { owner: "@maker:example.org", index: 2 },
    ],
    [
      "forwarded, of another ratchet, over a forwarded one",
      (s) => [s.indirect(s.at(2)), s.indirect(s.forgedAt())],
      REFUSED,
      { owner: null, index: 2 },
    ],
    [
      "its maker's, over a forged one",
      (s) => [s.indirect(s.forgedAt()), s.direct(s.at(3))],
      "better",
      { owner: "@maker:example.org", index: 3 },
    ],
    [
      "its maker's, later, over a forwarded one of the same ratchet",
      (s) => [s.indirect(s.at(2)), s.direct(s.at(5))],
      "known",
      { owner: "@maker:example.org", index: 2 },
    ],
  ])("%s", (_name, rows, taken, { owner, index }) => {
    const session = makeSession();
    const [known, fresh] = rows(session);
    const { context } = makeContext();
    expect(take(context, session, known)).toBe("new");
    expect(take(context, session, fresh)).toBe(taken);
    const row = context.rows.get("inbound", ROOM, session.sessionId);
    expect(row?.owner).toBe(owner);
    expect(row?.state.earliest.index).toBe(index);
  });

  it("says that the session is readable only where it was not so before", () => {
    const session = makeSession();
    const { context, became } = makeContext();
    take(context, session, session.direct(session.at(5)));
    take(context, session, session.direct(session.at(5)));
    take(context, session, session.indirect(session.at(6)));
    expect(became).toHaveLength(1);
    take(context, session, session.indirect(session.at(0)));
    expect(became).toHaveLength(2);
  });

  it("is refused where its ID is not its key's", () => {
    const [session, other] = [makeSession(), makeSession()];
    const { context } = makeContext();
    expect(take(context, session, other.direct(other.at(0)))).toBe(REFUSED);
    const exported: ExportedSession = {
      algorithm: "m.megolm.v1.aes-sha2",
      roomId: ROOM,
      sessionId: other.sessionId,
      sessionKey: session.at(0).exportAt(0),
      senderKey: "x",
      senderClaimedKeys: {},
      forwardingCurve25519KeyChain: [],
      sharedHistory: false,
    };
    expect(() => importSession(context, exported, { origin: "file" })).toThrow("not its key's");
  });
});
