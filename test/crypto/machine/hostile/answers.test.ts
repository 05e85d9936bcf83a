// A homeserver that answers each request of the machine with whatever it likes: nothing throws, and what is known of devices, identities, sessions and secrets stays.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Answer, Request, RequestKind } from "#crypto/machine/requests.ts";
import type { JsonObject } from "#crypto/shape.ts";
import { type Homeserver, startHomeserver } from "#test/homeserver/homeserver.ts";
import { makeClient } from "../support/loopback.ts";
import { ROOM, SETTINGS } from "../support/room.ts";
import { makeOurs, type Ours } from "../support/world.ts";
import { changed, createDumpStore, type DumpStore, tablesOf } from "./dump.ts";
import { ALICE, BOB, makeScene } from "./machines.ts";

const json = (text: string): unknown => JSON.parse(text);
const BODIES: readonly (readonly [string, unknown])[] = [
  ["null", null],
  ["text", "<html>"],
  ["a number", 7],
  ["a list", [[], {}, null]],
  ["an empty object", {}],
  [
    "members of null",
    Object.fromEntries(["device_keys", "one_time_keys", "rooms", "failures"].map((key) => [key, null])),
  ],
  [
    "members of lists",
    Object.fromEntries(
      [
        "device_keys",
        "master_keys",
        "one_time_keys",
        "one_time_key_counts",
        "changed",
        "left",
        "failures",
      ].map((key) => [key, [1, null, {}]]),
    ),
  ],
  [
    "users whose every member is hostile",
    json(`{"device_keys":{"${ALICE}":{"ALICE":{"__proto__":{"user_id":"${ALICE}"}},"__proto__":{}},"${BOB}":{"BOB":null,"toString":7}},
      "master_keys":{"${ALICE}":{"keys":{"__proto__":"x"}},"${BOB}":[],"__proto__":{"keys":{}}},
      "self_signing_keys":{"${ALICE}":7},"user_signing_keys":{"${ALICE}":"x"},
      "one_time_keys":{"${BOB}":{"BOB":{"signed_curve25519:AAAA":{"key":{},"signatures":[]},"__proto__":1}}},
      "one_time_key_counts":{"signed_curve25519":-1},"failures":{"__proto__":{},"example.org":7},
      "version":{},"algorithm":"m.megolm_backup.v1.curve25519-aes-sha2","auth_data":{"public_key":"AAAA","signatures":{"__proto__":{}}},
      "count":"x","etag":7,"event_id":{},"changed":{"0":"${BOB}"},"left":"x","key":[],"encrypted":7}`),
  ],
  [
    "counts beyond reason",
    { one_time_key_counts: { signed_curve25519: 1e300 }, count: 1e300, version: "9".repeat(10_000) },
  ],
  ["an error's body", { errcode: "M_UNKNOWN", error: "no", soft_logout: "x", current_version: 7 }],
  ["a challenge of its own", { session: {}, flows: [{ stages: [7] }, null, "x"], params: [], completed: 9 }],
];
const STATUSES: readonly (number | null)[] = [null, 200, 400, 401, 403, 404, 413, 429, 500, 999];

/** Everything that a machine asks a server, under way at once. */
const makeBusy = (): Ours => {
  const { server, alice } = makeScene();
  alice.in((calls) => calls.prepareSessions([BOB]));
  server.settle();
  alice.in((calls) => {
    calls.sendToDevice(BOB, "BOB", "dev.petrel.test", {});
    calls.shareRoomKey(ROOM, { members: [ALICE, BOB], strategy: "all", sharedHistory: false });
    calls.trackUsers(["@new:example.org"]);
    calls.receiveDeviceLists({ changed: [ALICE, BOB], left: [] });
    calls.deviceListGap("a", "b");
    calls.receiveKeyCounts({
      oneTimeKeys: { signed_curve25519: 1 },
      unusedFallbackTypes: [],
      initial: false,
    });
    calls.bootstrapCrossSigning();
    calls.fetchSecretStorage();
    calls.requestVerification(BOB, { roomId: ROOM });
  });
  return alice;
};

/** What no answer without a valid signature may change. Who is dirty, backed off or asked for may change. */
const KEPT = ["account", "device", "identity", "inbound", "olm", "outbound", "secret"];

/** Answers everything, round by round, as a server that never makes sense. The kinds that were answered. */
const answerAll = (ours: Ours, answer: (request: Request) => Answer): Set<RequestKind> => {
  const kinds = new Set<RequestKind>();
  for (let round = 0; round < 4; round += 1) {
    for (const request of ours.in((calls) => calls.outgoingRequests())) {
      kinds.add(request.kind);
      if (!ours.in((calls) => calls.outgoingRequests()).some(({ id }) => id === request.id)) continue;
      ours.in((calls) => calls.answer(request.id, answer(request)));
    }
    ours.nowMs += 3_600_000;
  }
  return kinds;
};

const keptRows = (names: readonly string[]): string[] =>
  tablesOf(names).filter((table) => KEPT.includes(table));

describe("a homeserver that answers nonsense", () => {
  it.each(BODIES)("%s: nothing throws, and nothing that was known is lost", (_name, body) => {
    const ours = makeBusy();
    const { dump } = ours.store as DumpStore;
    const before = dump();
    const kinds = answerAll(ours, () => ({ ok: true, body }));
    expect([...kinds].length).toBeGreaterThan(5);
    const names = changed(before, dump());
    // One-time keys are made for an upload, and marked as uploaded by its answer, whatever that says.
    expect(keptRows(names).filter((table) => table !== "account")).toEqual([]);
    for (const { device } of ours.in((calls) => calls.devices(BOB))) expect(device.deviceId).toBe("BOB");
    expect(ours.in((calls) => calls.identityStatus(BOB))).toBe("pinned");
    expect(({} as JsonObject)["user_id"]).toBeUndefined();
  });

  it.each(STATUSES)("status %s with each of these bodies: nothing throws, no key is lost", (status) => {
    for (const [, body] of BODIES) {
      const ours = makeBusy();
      const { dump } = ours.store as DumpStore;
      const before = dump();
      answerAll(ours, () => ({ ok: false, status, body }));
      expect(keptRows(changed(before, dump())).filter((table) => table !== "account")).toEqual([]);
    }
  });

  it("does not make the store grow without end", () => {
    const ours = makeBusy();
    const { dump } = ours.store as DumpStore;
    const sizes = Array.from({ length: 10 }, () => {
      answerAll(ours, () => ({ ok: true, body: {} }));
      return dump().size;
    });
    expect(Math.max(...sizes.slice(5))).toBeLessThanOrEqual(Math.max(...sizes.slice(0, 5)));
  });
});

describe("a homeserver that answers one kind of request with nonsense, all others truly", () => {
  let server: Homeserver;
  beforeAll(async () => {
    server = await startHomeserver();
  });
  afterAll(() => server.stop());

  let users = 0;
  /** A device that makes an identity, secret storage and a backup, and begins a session with another device of its user. */
  const live = async (kind: RequestKind, body: unknown): Promise<{ met: boolean; lost: string[] }> => {
    users += 1;
    const user = await server.addUser(`user${users}`);
    const store = createDumpStore();
    const client = makeClient(
      server,
      user,
      makeOurs({ userId: user.userId, deviceId: user.deviceId }, store),
    );
    let met = false;
    client.alter = (request, answer) => {
      if (request.kind !== kind) return answer;
      met = true;
      return { ok: true, body };
    };
    const { ours } = client;
    const before = store.dump();
    const step = async (work: () => unknown): Promise<void> => {
      try {
        work();
      } catch (error) {
        // What cannot be done without a true answer says so.
        expect((error as Error).name).toBe("MachineError");
      }
      await client.pump();
    };
    await step(() => ours.in((calls) => calls.bootstrapCrossSigning()));
    await step(() => ours.in((calls) => calls.fetchSecretStorage()));
    await step(() => ours.in((calls) => calls.createSecretStorage()));
    await step(() => ours.in((calls) => calls.createBackup({ replace: false })));
    await step(() => {
      ours.in((calls) => calls.receiveRoomEncryption(ROOM, SETTINGS));
      ours.in((calls) => calls.shareRoomKey(ROOM, { members: [], strategy: "all", sharedHistory: false }));
    });
    const other = await server.addUser(`user${users}b`);
    const peer = makeClient(server, other);
    await peer.pump();
    await step(() => ours.in((calls) => calls.trackUsers([other.userId])));
    await step(() => ours.in((calls) => calls.prepareSessions([other.userId])));
    const after = store.dump();
    return {
      met,
      lost: [...before.keys()].filter(
        (name) => !after.has(name) && !name.startsWith('["request"') && !name.startsWith('["dirty"'),
      ),
    };
  };

  it.each<RequestKind>([
    "keys-claim",
    "cross-signing-upload",
    "signatures-upload",
    "account-data-put",
    "backup-create",
    "backup-upload",
    "backup-version",
    "account-data-get",
  ])("%s", async (kind) => {
    for (const [, body] of BODIES.filter((_, at) => at % 2 === 1)) {
      const { met, lost } = await live(kind, body);
      expect(lost).toEqual([]);
      expect(met).toBe(true);
    }
  });
});
