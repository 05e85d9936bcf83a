// The bounded memory of event IDs.
import { expect, it } from "vitest";
import { SEEN_MAX, SEEN_PER_ROOM_MAX, SEEN_SLACK } from "#agent/matrix/limits.ts";
import { markSeen, readSeen } from "#agent/matrix/seen.ts";
import type { Store } from "#agent/store/store.ts";
import { testStore } from "./support.ts";

const ids = (room: string, from: number, count: number): string[] =>
  Array.from({ length: count }, (_, n) => `$${room}-${from + n}`);

const mark = (store: Store, seq: number, room: string, eventIds: readonly string[]): Promise<number> =>
  store.transaction((database) => markSeen(database, seq, new Map([[room, eventIds]])));

const countIn = (store: Store): number =>
  store.read((database) => Number(database.prepare("SELECT count(*) AS n FROM matrix_seen").get()?.["n"]));

it("forgets the oldest of a room beyond its bound, and nothing of another room", async () => {
  const store = await testStore();
  let seq = await mark(store, 0, "!quiet", ids("quiet", 0, 3));
  for (let from = 0; from < 3 * SEEN_PER_ROOM_MAX; from += 100)
    seq = await mark(store, seq, "!busy", ids("busy", from, 100));
  const seen = readSeen(store);
  expect(seen.has("!quiet", "$quiet-0")).toBe(true);
  expect(seen.has("!busy", `$busy-${3 * SEEN_PER_ROOM_MAX - 1}`)).toBe(true);
  expect(seen.has("!busy", `$busy-${2 * SEEN_PER_ROOM_MAX}`)).toBe(true);
  expect(seen.has("!busy", "$busy-0")).toBe(false);
  expect(countIn(store)).toBeLessThanOrEqual(SEEN_PER_ROOM_MAX + SEEN_SLACK + 3);
});

it("forgets the oldest of all beyond the bound of all", async () => {
  const store = await testStore();
  let seq = 0;
  for (let room = 0; seq < SEEN_MAX + 3 * SEEN_PER_ROOM_MAX; room += 1)
    seq = await mark(store, seq, `!${room}`, ids(`${room}`, 0, 1000));
  expect(readSeen(store).knows("!0")).toBe(false);
  expect(countIn(store)).toBeLessThanOrEqual(SEEN_MAX + SEEN_PER_ROOM_MAX);
});

it("knows a room once anything of it was seen, and tells rooms apart", async () => {
  const store = await testStore();
  await mark(store, 0, "!a", ["$1"]);
  const seen = readSeen(store);
  expect([seen.knows("!a"), seen.knows("!b")]).toEqual([true, false]);
  expect([seen.has("!a", "$1"), seen.has("!b", "$1"), seen.has("!a", "$2")]).toEqual([true, false, false]);
});
