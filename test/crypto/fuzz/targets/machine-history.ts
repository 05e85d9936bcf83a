// A fuzz target for bundles of history (MSC4268): what an inviter may put into one. It is read as JSON that anybody may have made.
import { CryptoError } from "#crypto/errors.ts";
import { type ReadBundle, readBundle, readRefusal } from "#crypto/machine/history/bundle.ts";
import { MegolmInboundSession } from "#crypto/megolm/inbound.ts";
import { MegolmOutboundSession } from "#crypto/megolm/outbound.ts";
import { encodeUtf8 } from "#crypto/shape.ts";
import { ROOM } from "../../machine/support/room.ts";
import { send } from "../../machine/support/server.ts";
import { Broken, type MakeTarget } from "../harness.ts";
import { edited, seedsFor } from "../json-edits.ts";
import { ALICE, makeWorld, neverChanged, shareWithBob } from "../machine-world.ts";

const KEPT = ["account", "device", "identity", "olm", "outbound", "room", "secret"];

/** Edits of the whole are seeds too, and those may be refused. */
const readOrRefuse = (bytes: Uint8Array): ReadBundle | null => {
  try {
    return readBundle(bytes);
  } catch (error) {
    if (error instanceof CryptoError) return null;
    throw error;
  }
};

export const historyTarget: MakeTarget = (provider) => {
  const world = makeWorld(provider);
  shareWithBob(world);
  const { server, alice, bob } = world;
  send(server, alice, bob, "m.room_key_bundle", { room_id: ROOM, file: { url: "mxc://x/y" } });
  server.deliver();
  bob.in((calls) => calls.expectHistory(ROOM, ALICE));
  const outbound = MegolmOutboundSession.create(provider);
  const session = MegolmInboundSession.fromSessionKey(provider, outbound.sessionKey());
  const [known] = bob.store.list("inbound", ROOM);
  if (known === undefined) throw new Error("no session");
  const key = {
    algorithm: "m.megolm.v1.aes-sha2",
    room_id: ROOM,
    session_id: outbound.sessionId,
    session_key: session.exportAt(0),
    sender_key: alice.in((calls) => calls.setUp()).curve25519,
    sender_claimed_keys: { ed25519: alice.in((calls) => calls.setUp()).ed25519 },
  };
  const own = new MegolmInboundSession(provider, known.row.state);
  const documents = [
    {
      room_keys: [key, { ...key, session_id: known.item, session_key: own.exportAt(own.firstKnownIndex) }],
      withheld: [
        { room_id: ROOM, session_id: "x", algorithm: key.algorithm, code: "m.unverified", reason: "no" },
      ],
    },
    { room_keys: [], withheld: [] },
  ];
  return {
    name: "machine-history",
    seeds: seedsFor(documents),
    shortInputs: 60,
    feed: (input) => {
      const bundle = readOrRefuse(encodeUtf8(JSON.stringify(edited(documents, input))));
      if (bundle === null) return "refused";
      const { roomKeys, withheld } = bundle;
      const refused = new Set(withheld.flatMap((each) => readRefusal(ROOM, each)?.sessionId ?? []));
      const { changes, result } = world.meet((calls) => {
        const counts = calls.takeHistory(ROOM, roomKeys.slice(0, 100), refused);
        calls.takeHistoryRefusals(ROOM, withheld.slice(0, 100));
        return counts;
      });
      neverChanged(changes, KEPT, "a bundle");
      for (const change of changes) {
        if (change.table !== "inbound") continue;
        const before = bob.store.get("inbound", change.group, change.item);
        if (change.group !== ROOM) throw new Broken("a bundle brought keys for another room");
        if (change.row?.owner !== (before?.owner ?? null))
          throw new Broken("a bundle says whose a session is");
      }
      return JSON.stringify(result);
    },
  };
};
