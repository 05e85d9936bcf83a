// Fuzz targets of the encryption machine: what a homeserver, or another user's device, may give it. Beyond what the harness demands: nothing refused changes a row (but
// what a message that came over Olm costs), no key is taken that nobody signed, no prototype is touched, what is kept can be stored, and work stays within bounds.
import { readBackup } from "#crypto/machine/backup/restore.ts";
import type { Request, RequestKind } from "#crypto/machine/requests.ts";
import type { Change } from "#crypto/machine/store/store.ts";
import { MegolmOutboundSession } from "#crypto/megolm/outbound.ts";
import { OlmSession } from "#crypto/olm/session.ts";
import type { CryptoProvider } from "#crypto/provider.ts";
import type { JsonObject } from "#crypto/shape.ts";
import { ROOM } from "../../machine/support/room.ts";
import { send } from "../../machine/support/server.ts";
import type { Ours } from "../../machine/support/world.ts";
import { Broken, type Bytes, type MakeTarget, type Target } from "../harness.ts";
import { edited, seedsFor } from "../json-edits.ts";
import {
  ALICE,
  asObject,
  BOB,
  makeWorld,
  neverChanged,
  onlyChanged,
  orMachineError,
  shareWithBob,
  type World,
} from "../machine-world.ts";

/** What a message costs that was read over Olm: its one-time key, its session's state, its hash; a device that is to be looked at. */
const OF_OLM = ["account", "counter", "dirty", "olm", "seen"];
/** What no answer of a server changes, whatever it says. */
const KEPT = ["account", "backup", "inbound", "indexes", "outbound", "replay", "room", "secret", "withheld"];
const MEGOLM = "m.megolm.v1.aes-sha2";

/** One costs a millisecond or two, a top-up of one-time keys twenty. */
const SHORT_INPUTS = 60;

const clear = (type: string, content: JsonObject): JsonObject => ({ type, sender: ALICE, content });
const verification = (provider: CryptoProvider): JsonObject[] => [
  clear("m.key.verification.request", {
    from_device: "ALICE",
    methods: ["m.sas.v1", "m.qr_code.show.v1"],
    timestamp: 1_800_000_000_000,
    transaction_id: "t1",
  }),
  clear("m.key.verification.start", {
    from_device: "ALICE",
    method: "m.sas.v1",
    transaction_id: "t1",
    key_agreement_protocols: ["curve25519-hkdf-sha256"],
    hashes: ["sha256"],
    message_authentication_codes: ["hkdf-hmac-sha256.v2"],
    short_authentication_string: ["emoji", "decimal"],
  }),
  clear("m.key.verification.key", {
    transaction_id: "t1",
    key: Buffer.from(provider.random(32)).toString("base64"),
  }),
  clear("m.key.verification.cancel", { transaction_id: "t1", code: "m.user", reason: "no" }),
];

const target = (
  name: string,
  documents: readonly unknown[],
  feed: (value: unknown, input: Bytes) => string,
): Target => ({
  name,
  seeds: seedsFor(documents),
  shortInputs: SHORT_INPUTS,
  feed: (input) => feed(edited(documents, input), input),
});

const receive = (world: World, events: readonly unknown[]): string => {
  const { changes, result } = world.meet((calls) => calls.receiveToDevice(events));
  const kinds = result.map(({ kind }) => kind);
  const refused = kinds.every(
    (kind) => kind === "invalid" || kind === "undecryptable" || kind === "repeated",
  );
  if (refused)
    onlyChanged(
      changes,
      kinds.includes("invalid") ? OF_OLM : ["wedged"],
      `a message that is ${kinds.join()}`,
    );
  return kinds.join();
};

export const toDeviceTarget: MakeTarget = (provider) => {
  const world = makeWorld(provider);
  const { server, alice, bob } = world;
  const session = { room_id: ROOM, session_id: "s", algorithm: MEGOLM };
  const documents = [
    send(server, alice, bob, "dev.petrel.test", { a: [1, { b: null }] }),
    clear("m.room_key.withheld", { ...session, code: "m.unverified", reason: "no" }),
    clear("m.room_key_request", {
      action: "request",
      request_id: "r",
      requesting_device_id: "ALICE",
      body: session,
    }),
    clear("m.secret.request", {
      action: "request",
      name: "m.megolm_backup.v1",
      request_id: "r",
      requesting_device_id: "BOB2",
    }),
    {
      type: "m.room_key_request",
      sender: BOB,
      content: { action: "request", request_id: "r", requesting_device_id: "BOB2", body: session },
    },
    clear("dev.petrel.x", { a: 1 }),
    ...verification(provider),
  ];
  return target("machine-to-device", documents, (event) => receive(world, [event, event]));
};

export const olmPlaintextTarget: MakeTarget = (provider) => {
  const world = makeWorld(provider);
  const { server, alice, bob } = world;
  // A session that Bob has, Alice's side of it in the test's hands.
  send(server, alice, bob, "x", {});
  server.deliver();
  const keys = bob.in((calls) => calls.setUp());
  const own = alice.in((calls) => calls.setUp());
  const [entry] = alice.store.list("olm", keys.curve25519);
  if (entry === undefined) throw new Error("no session");
  const key = MegolmOutboundSession.create(provider);
  const roomKey = {
    algorithm: MEGOLM,
    room_id: ROOM,
    session_id: key.sessionId,
    session_key: key.sessionKey(),
  };
  const honest = {
    sender: ALICE,
    recipient: BOB,
    recipient_keys: { ed25519: keys.ed25519 },
    keys: { ed25519: own.ed25519 },
    sender_device_keys: server.people.get(ALICE)?.devices.get("ALICE"),
  };
  const documents = [
    { ...honest, type: "m.room_key", content: { ...roomKey, shared_history: true } },
    {
      ...honest,
      type: "m.forwarded_room_key",
      content: { ...roomKey, sender_key: own.curve25519, forwarding_curve25519_key_chain: [] },
    },
    { ...honest, type: "m.secret.send", content: { request_id: "1", secret: "A".repeat(43) } },
    {
      ...honest,
      type: "m.room_key_bundle",
      content: { room_id: ROOM, file: { url: "mxc://x/y", v: "v2", hashes: {} } },
    },
    { ...honest, type: "m.dummy", content: {} },
    ...verification(provider).map((event) => ({ ...honest, ...event })),
  ];
  return target("machine-olm-plaintext", documents, (plaintext) => {
    const message = new OlmSession(provider, entry.row.state).encrypt(JSON.stringify(plaintext));
    const content = {
      algorithm: "m.olm.v1.curve25519-aes-sha2",
      sender_key: own.curve25519,
      ciphertext: { [keys.curve25519]: { type: message.type, body: message.body } },
    };
    return receive(world, [{ type: "m.room.encrypted", sender: ALICE, content }]);
  });
};

export const roomEventTarget: MakeTarget = (provider) => {
  const world = makeWorld(provider);
  shareWithBob(world);
  const encrypt = (text: string): JsonObject => ({
    type: "m.room.encrypted",
    event_id: `$${text}`,
    sender: ALICE,
    origin_server_ts: 1,
    content: world.alice.in((calls) => calls.encryptRoomEvent(ROOM, "m.room.message", { body: text })),
    unsigned: { membership: "join" },
  });
  const documents = [encrypt("one"), encrypt("two")];
  return target("machine-room-event", documents, (event) => {
    const { changes, result } = world.meet((calls) => calls.decryptRoomEvent(ROOM, event));
    if (result.kind !== "decrypted") onlyChanged(changes, [], `an event that is ${result.kind}`);
    else {
      onlyChanged(changes, ["idle", "inbound", "indexes", "replay"], "an event");
      const { body } = asObject(result.content);
      if (result.sender !== ALICE || (body !== "one" && body !== "two"))
        throw new Broken("a forged event was read");
    }
    return result.kind === "decrypted" ? "decrypted" : `${result.kind} ${result.cause}`;
  });
};

export const roomPlaintextTarget: MakeTarget = (provider) => {
  const world = makeWorld(provider);
  shareWithBob(world);
  const row = world.alice.store.get("outbound", ROOM, "");
  if (row === null) throw new Error("no session");
  const documents = [
    {
      type: "m.room.message",
      room_id: ROOM,
      content: { body: "x", "m.relates_to": { rel_type: "m.replace", event_id: "$0" } },
    },
    { type: "m.room_key", room_id: ROOM, content: { session_key: "x" } },
  ];
  return target("machine-room-plaintext", documents, (plaintext) => {
    const session = new MegolmOutboundSession(provider, row.state);
    const ciphertext = session.encrypt(JSON.stringify(plaintext));
    const content = {
      algorithm: MEGOLM,
      session_id: session.sessionId,
      ciphertext,
      "m.relates_to": plaintext,
    };
    const event = { type: "m.room.encrypted", event_id: "$1", sender: ALICE, origin_server_ts: 1, content };
    const { changes, result } = world.meet((calls) => calls.decryptRoomEvent(ROOM, event));
    if (result.kind !== "decrypted") onlyChanged(changes, [], `an event that is ${result.kind}`);
    else onlyChanged(changes, ["idle", "inbound", "indexes", "replay"], "an event");
    return result.kind;
  });
};

export const syncTarget: MakeTarget = (provider) => {
  const world = makeWorld(provider);
  const documents = [
    {
      device_lists: { changed: [ALICE, "@eve:example.org"], left: [BOB] },
      device_one_time_keys_count: { signed_curve25519: 50 },
      device_unused_fallback_key_types: ["signed_curve25519"],
      encryption: { algorithm: MEGOLM, rotation_period_ms: 1e9, rotation_period_msgs: 50 },
      gap: ["s1", "s2"],
    },
    {
      device_lists: null,
      device_one_time_keys_count: null,
      device_unused_fallback_key_types: null,
      encryption: {},
      gap: [],
    },
  ];
  return target("machine-sync", documents, (value) => {
    const body = asObject(value);
    const { result } = world.meet((calls) => {
      const lists = asObject(body["device_lists"]);
      calls.receiveDeviceLists({ changed: lists["changed"], left: lists["left"] });
      const [oneTimeKeys, unusedFallbackTypes] = [
        body["device_one_time_keys_count"],
        body["device_unused_fallback_key_types"],
      ];
      calls.receiveKeyCounts({ oneTimeKeys, unusedFallbackTypes, initial: body["gap"] === null });
      const [from, to] = Array.isArray(body["gap"]) ? (body["gap"] as unknown[]) : [];
      if (typeof to === "string") calls.deviceListGap(typeof from === "string" ? from : null, to);
      calls.receiveRoomVerification(ROOM, body);
      return calls.receiveRoomEncryption(ROOM, asObject(body["encryption"]));
    });
    if (!result) throw new Broken("a room is not encrypted any more");
    return "taken";
  });
};

/** The first request of this kind that Bob has under way after `work`, and an input as its answer. */
const answerTarget = (
  name: string,
  world: World,
  kind: RequestKind,
  documents: readonly unknown[],
  check: (changes: ReturnType<World["meet"]>["changes"]) => void,
): Target => {
  const request: Request | undefined = world.bob
    .in((calls) => calls.outgoingRequests())
    .find((each) => each.kind === kind);
  if (request === undefined) throw new Error(`no request ${kind}`);
  return target(name, documents, (body, input) => {
    // An odd last byte: the same as a refusal.
    const answer =
      (input.at(-1) ?? 0) % 2 === 0 ? { ok: true as const, body } : { ok: false as const, status: 400, body };
    const { changes } = world.meet((calls) => calls.answer(request.id, answer));
    check(changes);
    return "taken";
  });
};

export const keysQueryTarget: MakeTarget = (provider) => {
  const world = makeWorld(provider);
  const { bob, server } = world;
  bob.in((calls) => calls.receiveDeviceLists({ changed: [ALICE, BOB], left: [] }));
  const asked = bob.in((calls) => calls.outgoingRequests()).find(({ kind }) => kind === "keys-query");
  if (asked === undefined) throw new Error("no query");
  const honest = server.handle(bob, asked);
  return answerTarget("machine-keys-query", world, "keys-query", [honest], (changes) => {
    neverChanged(changes, [...KEPT, "olm"], "an answer to /keys/query");
    for (const change of changes) {
      if (change.table === "device") checkDevice(bob, change);
      if (change.table === "identity") checkIdentity(bob, change);
    }
  });
};

type Changed<T extends Change["table"]> = Extract<Change, { table: T }>;

/** Nothing was signed that is not there already: no edit makes a device, or gives one other keys. */
const checkDevice = (bob: Ours, { group, item, row }: Changed<"device">): void => {
  const known = bob.store.get("device", group, item);
  if (row === null || known === null || row.ed25519 !== known.ed25519 || row.curve25519 !== known.curve25519)
    throw new Broken("a device was made or changed that nobody signed");
  if (row.crossSignedBy !== null && row.crossSignedBy !== known.crossSignedBy)
    throw new Broken("a device counts as signed by a key that did not sign it");
};

const checkIdentity = (bob: Ours, { item, row }: Changed<"identity">): void => {
  const known = bob.store.get("identity", "", item);
  if (row === null || known === null || row.pinned !== known.pinned || row.confirmed !== known.confirmed)
    throw new Broken("the pin of an identity changed");
};

export const keysClaimTarget: MakeTarget = (provider) => {
  const world = makeWorld(provider);
  const { bob, server } = world;
  bob.in((calls) => calls.prepareSessions([ALICE]));
  const asked = bob.in((calls) => calls.outgoingRequests()).find(({ kind }) => kind === "keys-claim");
  if (asked === undefined) throw new Error("no claim");
  const honest = server.handle(bob, asked);
  return answerTarget("machine-keys-claim", world, "keys-claim", [honest], (changes) =>
    neverChanged(changes, [...KEPT, "device", "identity"], "an answer to /keys/claim"),
  );
};

export const backupTarget: MakeTarget = (provider) => {
  const world = makeWorld(provider);
  shareWithBob(world);
  const { alice, bob } = world;
  bob.in((calls) => calls.createBackup({ replace: true }));
  const take = (kind: RequestKind, ok: boolean, body: unknown): JsonObject => {
    const request = bob.in((calls) => calls.outgoingRequests()).find((each) => each.kind === kind);
    if (request === undefined) throw new Error(`no ${kind}`);
    bob.in((calls) => calls.answer(request.id, ok ? { ok, body } : { ok, status: 404, body }));
    return request.body ?? {};
  };
  const created = take("backup-create", true, { version: "1" });
  const shown = { ...created, version: "1", count: 1, etag: "1" };
  if (bob.in((calls) => calls.outgoingRequests()).some(({ kind }) => kind === "backup-version"))
    take("backup-version", true, shown);
  const stored = take("backup-upload", true, { count: 1, etag: "1" });
  const before = new Set(bob.store.list("inbound", ROOM).map(({ item }) => item));
  if (before.size === 0) throw new Error(`no session of ${alice.config.userId}`);
  return target("machine-backup", [stored, shown], (body) => {
    const { changes, result } = world.meet((calls) =>
      orMachineError(() => calls.restoreBackup(readBackup(body).slice(0, 100))),
    );
    for (const change of changes) if (change.table === "inbound") checkRestored(bob, change);
    return typeof result === "string" ? result : JSON.stringify(result);
  });
};

/** What is known from its maker stays its maker's, whatever a backup says of it. */
const checkRestored = (bob: Ours, { group, item, row }: Changed<"inbound">): void => {
  const known = bob.store.get("inbound", group, item);
  if (known !== null && row?.owner !== known.owner) throw new Broken("a backup took a session over");
  if (known === null && row?.owner != null) throw new Broken("a session out of a backup has an owner");
};
