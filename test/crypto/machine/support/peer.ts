// Starts their-machine.ts, and answers its claims out of what a machine of ours uploaded.
import type { JsonObject } from "#crypto/shape.ts";
import { type Peer, type PeerName, startPeer } from "#test/peers/crypto/client.ts";

// startPeer runs the file of that name beside client.ts; this one lies beside us, where its only users are.
export const startTheirMachine = (): Peer =>
  startPeer("../../crypto/machine/support/their-machine" as PeerName);

/** One key of each algorithm of an upload, as /keys/claim gives it for a device. */
export const claimFrom = (
  upload: JsonObject,
  kind: "one_time_keys" | "fallback_keys" = "one_time_keys",
): JsonObject => {
  const [first] = Object.entries(upload[kind] as JsonObject);
  return first === undefined ? {} : { [first[0]]: first[1] };
};
