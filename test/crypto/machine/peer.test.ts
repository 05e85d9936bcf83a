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

/** As a server shows a device after /keys/signatures/upload: all signatures side by side. */
const mergeSignatures = (deviceKeys: JsonObject, uploaded: JsonObject): JsonObject => {
  const signed = (uploaded[THEM] as JsonObject)["THEIRS"] as JsonObject;
  const of = (object: JsonObject): JsonObject => (object["signatures"] as JsonObject)[THEM] as JsonObject;
  return { ...deviceKeys, signatures: { [THEM]: { ...of(deviceKeys), ...of(signed) } } };
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

describe("their keys", () => {
  it("hold for us: device keys, cross-signing keys, and their signature on the device", async () => {
    const them = await start();
    const { keys, signatures } = await them.peer.call<{ keys: JsonObject; signatures: JsonObject }>(
      "bootstrap",
    );
    const ours = makeOurs();
    ours.in((calls) => calls.trackUsers([THEM]));
    const device = mergeSignatures(them.upload["device_keys"] as JsonObject, signatures);
    ours.answerAll("keys-query", () => ({
      device_keys: { [THEM]: { THEIRS: device } },
      master_keys: { [THEM]: keys["master_key"] },
      self_signing_keys: { [THEM]: keys["self_signing_key"] },
    }));
    expect(ours.notices).toEqual([]);
    expect(ours.in((calls) => calls.devices(THEM))).toMatchObject([
      { device: { deviceId: "THEIRS" }, trust: { crossSigned: true, identity: "pinned" } },
    ]);
  });
});
