// What an event is worth, why one cannot be read, which sessions became readable, and how replays are told after much was forgotten.
import { describe, expect, it } from "vitest";
import { REPLAY_BLOCK_INDEXES, REPLAY_BLOCKS_MAX } from "#crypto/machine/limits.ts";
import { causeCode } from "#crypto/machine/rooms/outcome.ts";
import { makePerson } from "./support/people.ts";
import { decrypt, encrypt, HOUR_MS, makeRoom, ROOM, shareAll } from "./support/room.ts";
import type { Server } from "./support/server.ts";
import { type Ours, START_MS } from "./support/world.ts";

const ALICE = "@alice:example.org";

const given = () => {
  const pair = makeRoom();
  const sessionId = shareAll(pair.server, pair.alice);
  pair.server.deliver();
  return { ...pair, sessionId };
};
const show = (server: Server, ours: Ours): void => {
  ours.in((calls) => calls.receiveDeviceLists({ changed: [ALICE], left: [] }));
  server.settle();
};
const demand = (ours: Ours, event: unknown) =>
  ours.in((calls) => calls.decryptRoomEvent(ROOM, event, { require: "cross-signed" }));

describe("who wrote an event", () => {
  it("is proven by a cross-signed device whose key came from itself", () => {
    const { alice, bob } = given();
    expect(decrypt(bob, encrypt(alice))).toMatchObject({ authorship: "cross-signed", origin: "device" });
    expect(decrypt(alice, encrypt(alice))).toMatchObject({ authorship: "verified" });
    expect(demand(bob, encrypt(alice))).toMatchObject({ kind: "decrypted" });
  });

  it.each<[string, (pair: ReturnType<typeof given>) => void]>([
    [
      "the key came from elsewhere",
      ({ bob, sessionId }) => {
        const row = bob.store.get("inbound", ROOM, sessionId);
        if (row === null) throw new Error("no session");
        const changed = { ...row, owner: null, origin: "backup" } as const;
        bob.store.write([{ table: "inbound", group: ROOM, item: sessionId, row: changed }]);
      },
    ],
    [
      "the device is gone",
      ({ server, bob }) => {
        server.people.get(ALICE)?.devices.delete("ALICE");
        show(server, bob);
      },
    ],
    [
      "the identity is another one",
      ({ server, bob }) => {
        const devices = server.people.get(ALICE)?.devices ?? new Map<string, never>();
        const other = makePerson(ALICE);
        for (const [id, keys] of devices) other.devices.set(id, keys);
        server.people.set(ALICE, other);
        show(server, bob);
      },
    ],
  ])("is unproven where %s, and such an event is refused where that is asked for", (_name, change) => {
    const pair = given();
    const event = encrypt(pair.alice);
    change(pair);
    const refused = { kind: "refused", cause: "untrusted-sender" };
    expect(demand(pair.bob, event)).toEqual(refused);
    expect(decrypt(pair.bob, event)).toMatchObject({ kind: "decrypted", authorship: "unproven" });
  });
});

describe("the device of an event", () => {
  it("is not named where only a file or a backup says which it is", () => {
    const { alice, bob, sessionId } = given();
    const row = bob.store.get("inbound", ROOM, sessionId);
    if (row === null) throw new Error("no session");
    const claimed = { ...row, owner: null, origin: "backup" } as const;
    bob.store.write([{ table: "inbound", group: ROOM, item: sessionId, row: claimed }]);
    expect(decrypt(bob, encrypt(alice))).toMatchObject({
      kind: "decrypted",
      device: null,
      authorship: "unproven",
      shield: "authenticity-not-guaranteed",
    });
  });
});

describe("an event that cannot be read", () => {
  it("says which session it needs, why it may be missing, and is readable once that is named", () => {
    const { server, alice, bob } = makeRoom();
    const sessionId = shareAll(server, alice);
    const event = { ...encrypt(alice), origin_server_ts: START_MS };
    const unknown = { kind: "undecryptable", cause: "unknown-session", sessionId, earlier: null };
    expect(decrypt(bob, event)).toEqual(unknown);
    const invited = { ...event, unsigned: { membership: "invite" } };
    expect(decrypt(bob, invited)).toMatchObject({ earlier: "before-joined" });
    expect(decrypt(bob, { ...event, origin_server_ts: 1 })).toMatchObject({ earlier: "before-device" });
    const carried = server.sent.filter(({ to }) => to === bob).map((each) => each.event);
    const readable = bob.in((calls) => {
      calls.receiveToDevice(carried);
      return calls.readable;
    });
    expect(readable).toEqual([{ roomId: ROOM, sessionId }]);
    expect(decrypt(bob, event)).toMatchObject({ kind: "decrypted" });
  });

  it("is counted under a name of a small set", () => {
    const base = { kind: "undecryptable", sessionId: "x", earlier: null } as const;
    const withheld = (code: string) => causeCode({ ...base, cause: "withheld", code, reason: "" });
    expect(withheld("m.unverified")).toBe("withheld.m.unverified");
    expect(withheld("anything at all")).toBe("withheld.other");
    expect(causeCode({ ...base, cause: "unknown-index", earlier: "before-joined" })).toBe(
      "unknown-index.before-joined",
    );
    expect(causeCode({ kind: "refused", cause: "replay" })).toBe("replay");
  });
});

describe("message indexes", () => {
  const events = (alice: Ours, count: number) => Array.from({ length: count }, () => encrypt(alice));

  it("of a session that was idle for two months are forgotten, and its old events refused, never taken twice", () => {
    const { alice, bob } = given();
    const [first] = events(alice, 1);
    expect(decrypt(bob, first)).toMatchObject({ kind: "decrypted" });
    bob.nowMs += 62 * 24 * HOUR_MS;
    for (let i = 0; i < 5; i += 1) bob.in((calls) => calls.outgoingRequests());
    expect(bob.store.list("idle", String(Math.floor(START_MS / (24 * HOUR_MS))))).toEqual([]);
    expect(decrypt(bob, first)).toEqual({ kind: "refused", cause: "replay-unknown" });
    expect(decrypt(bob, encrypt(alice))).toMatchObject({ kind: "decrypted" });
  });

  it("are kept in a bounded number of blocks; below them nothing is taken", () => {
    const { alice, bob, sessionId } = given();
    const [first, second] = events(alice, 2);
    decrypt(bob, first);
    const blocks = Array.from({ length: REPLAY_BLOCKS_MAX }, (_, i) => i + 1);
    const row = bob.store.get("indexes", ROOM, sessionId);
    if (row === null) throw new Error("nothing remembered");
    bob.store.write([
      {
        table: "indexes",
        group: ROOM,
        item: sessionId,
        row: { ...row, blocks, floor: REPLAY_BLOCK_INDEXES },
      },
    ]);
    expect(decrypt(bob, second)).toEqual({ kind: "refused", cause: "replay-unknown" });
    expect(decrypt(bob, first)).toMatchObject({ kind: "decrypted" });
    bob.store.write([{ table: "indexes", group: ROOM, item: sessionId, row: { ...row, blocks, floor: 0 } }]);
    expect(decrypt(bob, second)).toEqual({ kind: "refused", cause: "replay-unknown" });
    expect(bob.store.get("indexes", ROOM, sessionId)?.blocks).toEqual(blocks);
  });
});
