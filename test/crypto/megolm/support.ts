// A Megolm session with both its sides.
import { MegolmInboundSession } from "#crypto/megolm/inbound.ts";
import { MegolmOutboundSession } from "#crypto/megolm/outbound.ts";
import { nodeProvider } from "#crypto/provider/node.ts";
import type { CryptoProvider } from "#crypto/provider.ts";

export interface Group {
  readonly outbound: MegolmOutboundSession;
  readonly inbound: MegolmInboundSession;
}

export const group = (provider: CryptoProvider = nodeProvider): Group => {
  const outbound = MegolmOutboundSession.create(provider);
  return { outbound, inbound: MegolmInboundSession.fromSessionKey(provider, outbound.sessionKey()) };
};

/** An outbound session whose next message has this index. */
export const outboundAt = (index: number): MegolmOutboundSession => {
  const { ratchet, signingKey } = MegolmOutboundSession.create(nodeProvider).exportState();
  if (!ratchet) throw new Error("expected a new session to have an index left");
  return new MegolmOutboundSession(nodeProvider, { signingKey, ratchet: { bytes: ratchet.bytes, index } });
};
