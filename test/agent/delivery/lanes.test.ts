// The lanes alarm, reply and state: what gives way, that it is counted and dated, and that the room is told of it, once.
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { eventsLost, untoldLosses } from "#agent/delivery/lane-bounds.ts";
import { LaneKeeper } from "#agent/delivery/lane-keeper.ts";
import type { LanesConfig } from "#agent/delivery/lanes-schema.ts";
import { markAttempt, openJson, put } from "#agent/delivery/outbox.ts";
import { laneDepth } from "#agent/delivery/outbox-depth.ts";
import { deliveryMigrations } from "#agent/delivery/tables.ts";
import { openBoot } from "#agent/journal/boots.ts";
import { journalMigrations } from "#agent/journal/tables.ts";
import type { JsonObject } from "#agent/matrix/types.ts";
import type { Runtime } from "#agent/runtime.ts";
import { type ManualTimers, manualTimers } from "#test/drivers/harness.ts";
import { startHomeserver } from "#test/homeserver/homeserver.ts";
import { openTestStore, temporaryFolder } from "../store/support.ts";
import { recordingLog, startTestAgent } from "../whole-agent.ts";

const DAY_MS = 86_400_000;
const BEGIN = 20_000 * DAY_MS;

const LARGE: LanesConfig = {
  alarm: { max_bytes: 1e9, max_age: DAY_MS },
  reply: { max_bytes: 1e9, max_age: DAY_MS },
  state: { max_bytes: 1e9, max_age: DAY_MS },
};

const bench = async (config: Partial<LanesConfig>) => {
  const store = await openTestStore(join(temporaryFolder(), "l.db"), {
    migrations: [journalMigrations, deliveryMigrations],
  });
  onTestFinished(() => store.close().catch(() => undefined));
  await store.transaction((database) => openBoot(database, "boot"));
  const timers: ManualTimers = manualTimers();
  const clock = { monoMs: () => timers.nowMs(), wallMs: () => BEGIN + timers.nowMs() };
  let bytes = 0;
  const runtime: Runtime = {
    clock,
    timers,
    log: recordingLog([]),
    random: (length) => new Uint8Array(length).fill(bytes++ % 251),
  };
  const link = { up: false };
  const keeper = new LaneKeeper({
    store,
    runtime,
    config: { ...LARGE, ...config },
    device: "drone-1",
    namespace: "dev.petrel",
    peopleRoom: "!people:x",
    linkUp: () => link.up,
    nowMs: clock.wallMs,
    clockKnown: () => true,
    wake: () => undefined,
  });
  onTestFinished(() => keeper.stop());
  const rows = () =>
    store.read((database) =>
      database
        .prepare("SELECT * FROM outbox ORDER BY id")
        .all()
        .map((row) => ({
          id: Number(row["id"]),
          lane: String(row["lane"]),
          content: openJson(store.vault, row["content"]),
        })),
    );
  return {
    store,
    timers,
    link,
    rows,
    add: (lane: "alarm" | "reply" | "state", n: number) =>
      store.transaction((database) => {
        put(database, store.vault, runtime.random, { lane, roomId: "!r:x", type: "t", content: { n } });
      }),
    numbers: () => rows().map(({ content }) => content["n"]),
    /** Time passes and the keeper looks: its work is done when the store has done ours behind it. */
    pass: async (ms: number) => {
      for (const end = timers.nowMs() + ms; timers.nowMs() < end; ) {
        timers.advance(Math.min(60_000, end - timers.nowMs()));
        keeper.look();
        for (let turn = 0; turn < 8; turn += 1) await store.transaction(() => undefined);
      }
    },
  };
};

describe("a lane that is full", () => {
  it("lets its oldest go, and no other lane's", async () => {
    const { add, numbers, pass, store } = await bench({ reply: { max_bytes: 500, max_age: DAY_MS } });
    for (let n = 0; n < 10; n += 1) await add("reply", n);
    await add("alarm", 100);
    await pass(2000);
    const left = numbers();
    expect(left.length).toBeLessThan(10);
    expect(left.slice(-2)).toEqual([9, 100]);
    expect(left[0]).toBe(11 - left.length);
    expect(store.read(eventsLost)).toEqual([{ lane: "reply", reason: "full", count: 11 - left.length }]);
  });

  it("keeps what may have reached its room", async () => {
    const { add, numbers, pass, store } = await bench({ state: { max_bytes: 1, max_age: DAY_MS } });
    await add("state", 0);
    await add("state", 1);
    await store.transaction(
      (database) => markAttempt(database, { id: 1, roomId: "!r:x" } as Parameters<typeof markAttempt>[1]), // it looks at no more of a row
    );
    await pass(2000);
    expect(numbers()).toEqual([0]);
  });

  it("tells the people room once the link is there, with when; what it could not tell is added up", async () => {
    const { add, link, pass, rows, store } = await bench({ reply: { max_bytes: 1, max_age: DAY_MS } });
    await add("reply", 0);
    await pass(2000);
    await add("reply", 1);
    await pass(2000);
    expect(store.read(untoldLosses)).toMatchObject([{ lane: "reply", reason: "full", count: 2 }]);
    link.up = true;
    await pass(2000);
    const [told, ...more] = rows();
    expect(more).toEqual([]);
    expect(told?.content).toMatchObject({ msgtype: "m.notice" });
    const content: JsonObject = told?.content ?? {};
    expect(content["dev.petrel.lost_events"]).toMatchObject([{ lane: "reply", reason: "full", count: 2 }]);
    expect(content["body"]).toContain("2 of the lane of replies: more waited than may wait; from 2024-10-04");
    expect(store.read(untoldLosses)).toEqual([]);
    // While it waits nothing replaces it, and it gives way to nothing.
    await add("reply", 2);
    await pass(2000);
    expect(rows()).toHaveLength(1);
    expect(store.read(untoldLosses)).toMatchObject([{ count: 1 }]);
  });
});

describe("a lane whose events wait too long", () => {
  it("lets them go by the time that has passed", async () => {
    const { add, numbers, pass, store } = await bench({ alarm: { max_bytes: 1e9, max_age: 600_000 } });
    await add("alarm", 0);
    await pass(400_000);
    await add("alarm", 1);
    await pass(400_000);
    expect(numbers()).toEqual([1]);
    const [loss] = store.read(untoldLosses);
    expect(loss).toMatchObject({ lane: "alarm", reason: "aged", count: 1 });
    // It began to wait at the first look that found it still there.
    expect(loss?.fromMs).toBeGreaterThan(BEGIN);
    expect(loss?.fromMs).toBeLessThanOrEqual(BEGIN + 180_000);
  });

  it("writes nothing for what leaves at once", async () => {
    const { add, pass, store } = await bench({});
    await add("reply", 0);
    await store.transaction((database) => void database.prepare("DELETE FROM outbox").run());
    const changes = () =>
      store.read((database) => Number(database.prepare("SELECT total_changes() AS n").get()?.["n"]));
    const before = changes();
    await pass(300_000);
    expect(changes()).toBe(before);
  });
});

it("a whole agent says after an outage what it could not keep", async () => {
  const server = await startHomeserver();
  onTestFinished(() => server.stop());
  const { password, userId } = await server.addUser("drone");
  const { agent, store } = await startTestAgent({
    url: server.url,
    userId,
    password,
    delivery: "lanes: { reply: { max_bytes: 1kB } }",
  });
  await server.waitUntil(() => agent.upstream.linkUp(), 30_000);
  const roomId = agent.upstream.rooms()?.people.roomId ?? "";
  await server.offline();
  const content = (n: number): JsonObject => ({ msgtype: "m.text", body: `reply ${n} ${"x".repeat(300)}` });
  for (let n = 0; n < 20; n += 1)
    await agent.upstream.send({ lane: "reply", roomId, type: "m.room.message", content: content(n) });
  // The server hears nothing meanwhile, so nobody but us looks.
  const waiting = (): number => store.read((database) => laneDepth(database, "reply")).bytes;
  for (const end = performance.now() + 60_000; waiting() > 1000 && performance.now() < end; )
    await new Promise((resolve) => setTimeout(resolve, 20));
  expect(waiting()).toBeLessThanOrEqual(1000);
  await server.online();
  const bodies = (): string[] => server.events(roomId).map((event) => String(event.content["body"] ?? ""));
  const arrived = (): number => bodies().filter((body) => body.startsWith("reply ")).length;
  const lost = (): number =>
    bodies().reduce((sum, body) => sum + Number(/(\d+) of the lane of replies/.exec(body)?.[1] ?? 0), 0);
  await server.waitUntil(() => arrived() + lost() === 20, 60_000);
  expect(lost()).toBeGreaterThan(10);
  expect(bodies().some((body) => body.startsWith("reply 19"))).toBe(true);
});
