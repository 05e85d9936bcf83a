// Taking in a session that its maker did not send us: out of a backup or a key file. None of these proves whose it is: it never replaces what is known, and
// gives a known session an earlier beginning only where it leads to the same ratchet.
import { CryptoError } from "../../errors.ts";
import type { ExportedSession } from "../../exported-session.ts";
import { MegolmInboundSession } from "../../megolm/inbound.ts";
import { MEGOLM_ALGORITHM } from "../account/device-keys.ts";
import type { Context } from "../context.ts";
import { keepInbound } from "../rooms/inbound.ts";
import type { InboundRow } from "../store/store.ts";

/** `better`: known, but now readable from an earlier message on. `known`: nothing new. */
export type Imported = "new" | "better" | "known";

/** @throws CryptoError UNSUPPORTED, BASE64, VERSION, FORMAT, SMALL_ORDER; PROTOCOL where it stands against what is known, or its ID is not its key's */
export function importSession(
  context: Context,
  session: ExportedSession,
  origin: "backup" | "file",
): Imported {
  const { roomId, sessionId } = session;
  if (session.algorithm !== MEGOLM_ALGORITHM) {
    throw new CryptoError("UNSUPPORTED", `room key: of another algorithm than ${MEGOLM_ALGORITHM}`);
  }
  const opened = MegolmInboundSession.fromExport(context.provider, session.sessionKey);
  if (opened.sessionId !== sessionId) throw new CryptoError("PROTOCOL", "room key: its ID is not its key's");
  const known = context.rows.get("inbound", roomId, sessionId);
  const next = known === null ? fresh(session, opened, origin) : improved(context, known, opened);
  if (next === null) return "known";
  keepInbound(context, { roomId, sessionId }, next);
  return known === null ? "new" : "better";
}

function fresh(
  session: ExportedSession,
  opened: MegolmInboundSession,
  origin: "backup" | "file",
): InboundRow {
  return {
    state: opened.exportState(),
    owner: null,
    curve25519: session.senderKey,
    ed25519: session.senderClaimedKeys["ed25519"] ?? "",
    sharedHistory: session.sharedHistory,
    origin,
    forwardedBy: null,
  };
}

function improved(context: Context, known: InboundRow, opened: MegolmInboundSession): InboundRow | null {
  const ours = new MegolmInboundSession(context.provider, known.state);
  const ordering = ours.compare(opened);
  if (ordering === "unconnected") {
    throw new CryptoError("PROTOCOL", "room key: it stands against the one that is known");
  }
  const both = ordering === "worse" ? ours.merge(opened) : null;
  // Whose session it is stays as it was proven: the earlier ratchet leads to the very one that its maker sent.
  return both === null ? null : { ...known, state: both.exportState() };
}
