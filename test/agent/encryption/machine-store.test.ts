// The machine's store in SQLite: the machine's own conformance suite, and what lies on the disk.
import { randomBytes } from "node:crypto";
import { describe, expect, it, onTestFinished } from "vitest";
import { createMachineStore } from "#agent/encryption/machine-store.ts";
import { encryptionMigrations } from "#agent/encryption/tables.ts";
import { type Connection, openConnection } from "#agent/store/connection.ts";
import type { Row } from "#agent/store/store.ts";
import { createVault } from "#agent/store/vault.ts";
import { createMachine } from "#crypto/machine/machine.ts";
import { createMemoryStore } from "#crypto/machine/store/memory.ts";
import type { Change, MachineStore, TableName } from "#crypto/machine/store/store.ts";
import { nodeProvider } from "#crypto/provider/node.ts";
import { describeMachineStore } from "#test/crypto/machine/store-conformance.ts";
import { encrypt, ROOM, SETTINGS, shareAll } from "#test/crypto/machine/support/room.ts";
import { makeServer } from "#test/crypto/machine/support/server.ts";
import { makeOurs } from "#test/crypto/machine/support/world.ts";

interface Opened {
  readonly store: MachineStore;
  readonly connection: Connection;
  rows(): Row[];
}

/** Each call a session of its own: what the machine needs of a transaction without one. */
const openSqlite = (): Opened => {
  const connection = openConnection(":memory:", () => undefined);
  onTestFinished(() => connection.close());
  const vault = createVault(new Uint8Array(32).fill(5), (length) => randomBytes(length));
  connection.write((database) => {
    for (const step of encryptionMigrations.steps) database.exec(step);
  });
  const within = <T>(work: (store: MachineStore) => T): T =>
    connection.write((database) => work(createMachineStore(database, vault, nodeProvider)));
  const store: MachineStore = {
    get: (table, group, item) => within((inner) => inner.get(table, group, item)),
    list: (table, group, page) => within((inner) => inner.list(table, group, page)),
    write: (changes) => within((inner) => inner.write(changes)),
  };
  const rows = (): Row[] =>
    connection.read((database) => database.prepare("SELECT kind, grp, item, value FROM machine_row").all());
  return { store, connection, rows };
};

describeMachineStore("SQLite", () => openSqlite().store);

/** Two machines that talk, the first on the store under test. */
const conversation = (store: MachineStore): void => {
  const server = makeServer();
  const alice = server.join(makeOurs({ userId: "@alice:example.org", deviceId: "ALICE" }, store));
  const bob = server.join(makeOurs({ userId: "@bob:example.org", deviceId: "BOB" }));
  for (const ours of [alice, bob]) {
    ours.in((calls) => calls.trackUsers(["@alice:example.org", "@bob:example.org"]));
    ours.in((calls) => calls.receiveRoomEncryption(ROOM, SETTINGS));
  }
  server.settle();
  shareAll(server, alice);
  shareAll(server, bob);
  server.deliver();
  for (const [from, to] of [
    [alice, bob],
    [bob, alice],
  ] as const) {
    const event = encrypt(from, { body: "over the store" });
    const read = to.in((calls) => calls.decryptRoomEvent(ROOM, event));
    expect(read).toMatchObject({ kind: "decrypted", content: { body: "over the store" } });
  }
};

describe("the machine's store in SQLite", () => {
  it("carries a machine through keys, sessions and events, and again after a restart", () => {
    const { store } = openSqlite();
    conversation(store);
    const again = createMachine({
      provider: nodeProvider,
      userId: "@alice:example.org",
      deviceId: "ALICE",
    }).on(store, 1_800_000_000_000);
    expect(again.encryptRoomEvent(ROOM, "m.room.message", { body: "still" })).toMatchObject({
      algorithm: "m.megolm.v1.aes-sha2",
    });
  });

  it("holds no key in clear", () => {
    const { store, rows } = openSqlite();
    conversation(store);
    const secretTables: readonly TableName[] = ["account", "olm", "outbound", "inbound"];
    const memory = rows().filter(({ kind }) => secretTables.some((table) => table === kind));
    expect(new Set(memory.map(({ kind }) => kind))).toEqual(new Set(secretTables));
    const account = store.get("account", "", "")?.account;
    const outbound = store.get("outbound", ROOM, "")?.state;
    const secrets = [
      account?.signingKey.exportSecret(),
      account?.identityKey.exportSecret(),
      ...(account?.oneTimeKeys ?? []).map(({ pair }) => pair.exportSecret()),
      outbound?.signingKey.exportSecret(),
      outbound?.ratchet?.bytes,
    ];
    const disk = Buffer.concat(rows().map(({ value }) => value as Uint8Array));
    for (const secret of secrets) {
      expect(secret).toBeDefined();
      expect(disk.includes(Buffer.from(secret ?? []))).toBe(false);
      expect(disk.includes(Buffer.from(secret ?? []).toString("base64"))).toBe(false);
    }
  });

  it("does not open a sealed row in another's place", () => {
    const { store, connection } = openSqlite();
    conversation(store);
    connection.write((database) => {
      database.prepare("UPDATE machine_row SET grp = '!other:example.org' WHERE kind = 'outbound'").run();
    });
    expect(() => store.get("outbound", "!other:example.org", "")).toThrow(/does not open/);
  });

  it("refuses a handle that it has no writer for, and writes nothing of that call", () => {
    const { store, rows } = openSqlite();
    const handle = nodeProvider.generateEd25519();
    // A row of a table that learnt of a key without a writer for it.
    const wrong = { table: "room", group: "!r", item: "", row: { handle } } as unknown as Change;
    const right: Change = { table: "counter", group: "", item: "x", row: { next: 1 } };
    expect(() => store.write([right, wrong])).toThrow(/needs a writer/);
    expect(rows()).toEqual([]);
  });

  it("keeps halves of surrogate pairs apart", () => {
    const { store } = openSqlite();
    const names = ["\ud800", "\ud801", "\udfff", "\ufffd", "\u0001", "\u0001d800", "\u0000"];
    store.write(
      names.map((item, next): Change => ({ table: "counter", group: "\ud800", item, row: { next } })),
    );
    for (const [next, item] of names.entries())
      expect(store.get("counter", "\ud800", item)).toEqual({ next });
    const expected = createMemoryStore();
    expected.write(
      names.map((item, next): Change => ({ table: "counter", group: "\ud800", item, row: { next } })),
    );
    expect(store.list("counter", "\ud800")).toEqual(expected.list("counter", "\ud800"));
  });
});
