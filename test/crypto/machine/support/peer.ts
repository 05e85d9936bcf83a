// Starts their-machine.ts, and answers its claims out of what a machine of ours uploaded.
import type { JsonObject } from "#crypto/shape.ts";
import { type Peer, startPeerFile } from "#test/peers/crypto/client.ts";

export const startTheirMachine = (): Peer => startPeerFile(new URL("./their-machine.ts", import.meta.url));

/** One key of each algorithm of an upload, as /keys/claim gives it for a device. */
export const claimFrom = (
  upload: JsonObject,
  kind: "one_time_keys" | "fallback_keys" = "one_time_keys",
): JsonObject => {
  const [first] = Object.entries(upload[kind] as JsonObject);
  return first === undefined ? {} : { [first[0]]: first[1] };
};
