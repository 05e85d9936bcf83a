// Two machines, ours and matrix-sdk-crypto's (the code in Element), over a homeserver that is this test.
import { afterEach, describe, expect, it } from "vitest";
import type { JsonObject } from "#crypto/shape.ts";
import type { Peer } from "#test/peers/crypto/client.ts";
import { claimFrom, startTheirMachine } from "./support/peer.ts";
import { makeOurs } from "./support/world.ts";

const THEM = "@them:example.org";
let peer: Peer | null = null;
afterEach(() => peer?.close());

const start = async () => {
  peer = startTheirMachine();
  const upload = await peer.call<JsonObject>("start", THEM, "THEIRS");
  return { peer, upload };
};

describe("our keys", () => {
  it.each(["one_time_keys", "fallback_keys"] as const)(
    "hold for matrix-sdk-crypto: device keys and %s",
    async (kind) => {
      const them = await start();
      const ours = makeOurs();
      const body = ours.requests("keys-upload")[0]?.body ?? {};
      const { userId, deviceId } = ours.config;
      await them.peer.call("keysQuery", [userId], {
        device_keys: { [userId]: { [deviceId]: body["device_keys"] } },
      });
      expect(await them.peer.call("device", userId, deviceId)).toEqual({ crossSigned: false });
      expect(await them.peer.call("missing", [userId])).toMatchObject({
        one_time_keys: { [userId]: { [deviceId]: "signed_curve25519" } },
      });
      await them.peer.call("claimed", { one_time_keys: { [userId]: { [deviceId]: claimFrom(body, kind) } } });
      expect(await them.peer.call("missing", [userId])).toBeNull();
    },
  );
});
