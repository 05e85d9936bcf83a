// Taking in a session that its maker did not send us: out of a backup, a key file, a forwarded key or a bundle of history. None of these proves whose it is:
// what its maker sent is worth more (rooms/inbound.ts).
import { CryptoError } from "../../errors.ts";
import type { ExportedSession } from "../../exported-session.ts";
import { MegolmInboundSession } from "../../megolm/inbound.ts";
import { MEGOLM_ALGORITHM } from "../account/device-keys.ts";
import type { Context } from "../context.ts";
import { type Taken, takeInbound } from "../rooms/inbound.ts";
import type { InboundOrigin } from "../store/store.ts";

/** How it came, and for `forwarded` and `history` the user who passed it on. */
export interface Provenance {
  readonly origin: Exclude<InboundOrigin, "device">;
  readonly forwardedBy?: string;
}

/** @throws CryptoError UNSUPPORTED, BASE64, VERSION, FORMAT, SMALL_ORDER; PROTOCOL as `takeInbound` */
export function importSession(
  context: Context,
  session: ExportedSession,
  { origin, forwardedBy }: Provenance,
): Taken {
  const { roomId, sessionId } = session;
  if (session.algorithm !== MEGOLM_ALGORITHM) {
    throw new CryptoError("UNSUPPORTED", `room key: of another algorithm than ${MEGOLM_ALGORITHM}`);
  }
  const opened = MegolmInboundSession.fromExport(context.provider, session.sessionKey);
  return takeInbound(
    context,
    { roomId, sessionId },
    {
      state: opened.exportState(),
      owner: null,
      curve25519: session.senderKey,
      ed25519: session.senderClaimedKeys["ed25519"] ?? "",
      sharedHistory: session.sharedHistory,
      origin,
      forwardedBy: forwardedBy ?? null,
    },
  );
}
