// What is remembered of the machine's own room events ends with the answer.
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { acknowledge, deliveredAs, put } from "#agent/delivery/outbox.ts";
import { deliveryMigrations } from "#agent/delivery/tables.ts";
import { deliverRoomEvent, forgetAnswered, forgetTaken } from "#agent/encryption/outside-requests.ts";
import { openStore } from "#agent/store/open.ts";
import type { Store } from "#agent/store/store.ts";
import type { Request } from "#crypto/machine/requests.ts";
import { optionsFor, runtime } from "../store/runtime.ts";
import { temporaryFolder } from "../whole-agent.ts";

const open = async (): Promise<Store> => {
  const store = await openStore(
    optionsFor(join(temporaryFolder(), "petrel.db"), { migrations: [deliveryMigrations] }),
  );
  onTestFinished(() => store.close());
  return store;
};

const request = (id: string): Request => ({
  id,
  kind: "room-event",
  method: "PUT",
  path: "",
  body: { step: id },
  room: { roomId: "!r:hs", type: "m.key.verification.start" },
});

const deliver = (store: Store, one: Request): Promise<string | null> =>
  deliverRoomEvent({ runtime, store, wake: () => undefined }, one);

const accept = (store: Store, eventId: string): Promise<void> =>
  store.transaction((database) => {
    const row = database.prepare("SELECT id, reference FROM outbox").get();
    acknowledge(
      database,
      { id: Number(row?.["id"]), roomId: "!r:hs", reference: String(row?.["reference"]) },
      eventId,
    );
  });

const remembered = (store: Store): number =>
  Number(
    store.read((database) => database.prepare("SELECT count(*) AS n FROM outbox_delivered").get())?.["n"],
  );

it("gives the machine the ID of an event of its own, and forgets it with the machine's answer", async () => {
  const store = await open();
  expect(await deliver(store, request("1"))).toBeNull();
  await accept(store, "$one");
  expect(await deliver(store, request("1"))).toBe("$one");
  await store.transaction((database) => forgetAnswered(database, request("1")));
  expect(remembered(store)).toBe(0);
});

it("forgets at the start what no request asks for any more, and nothing else", async () => {
  const store = await open();
  for (const id of ["1", "2"]) {
    await deliver(store, request(id));
    await accept(store, `$${id}`);
  }
  const card = {
    lane: "state",
    roomId: "!r:hs",
    type: "m.room.message",
    content: {},
    reference: "card",
  } as const;
  await store.transaction((database) => put(database, store.vault, runtime.random, card));
  await accept(store, "$card");
  await store.transaction((database) => forgetTaken(database, [request("2")]));
  expect(
    ["machine 1", "machine 2", "card"].map((name) => store.read((database) => deliveredAs(database, name))),
  ).toEqual([null, "$2", "$card"]);
});
