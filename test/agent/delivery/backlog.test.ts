// After an outage: the backlog goes out as packs, marked as history, and live readings go ahead of it in a stream of their own.
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { Packer } from "#agent/delivery/packer.ts";
import { deliveryMigrations } from "#agent/delivery/tables.ts";
import { type Journal, openJournal } from "#agent/journal/journal.ts";
import { journalMigrations } from "#agent/journal/tables.ts";
import type { JsonObject } from "#agent/matrix/types.ts";
import { checkEvent } from "#agent/matrix/validate.ts";
import type { Runtime } from "#agent/runtime.ts";
import { parseTelemetry } from "#agent/telemetry/index.ts";
import { manualTimers } from "#test/drivers/harness.ts";
import { openTestStore, temporaryFolder } from "../store/support.ts";
import { recordingLog } from "../whole-agent.ts";

const bench = async () => {
  const store = await openTestStore(join(temporaryFolder(), "p.db"), {
    migrations: [journalMigrations, deliveryMigrations],
  });
  onTestFinished(() => store.close().catch(() => undefined));
  const timers = manualTimers();
  const clock = { wallMs: () => timers.nowMs(), monoMs: () => timers.nowMs() };
  const runtime: Runtime = { clock, timers, random: (length) => randomBytes(length), log: recordingLog([]) };
  const policy = { bytesMax: 1e9, whenFull: "drop-oldest" } as const;
  const time = { clock, timers, clockKnown: () => true };
  const journal = await openJournal(store, { id: "b" }, "first", policy, undefined, time);
  /** Sends what is packed, one event after the other; gives the contents. */
  const drain = async (packer: Packer, between: (index: number) => Promise<void>): Promise<JsonObject[]> => {
    const contents: JsonObject[] = [];
    for (let idle = 0; idle < 20; ) {
      const row = store.read((database) => database.prepare("SELECT * FROM outbox ORDER BY id").get());
      if (row === null) {
        idle += 1;
        timers.advance(1000);
        packer.run();
        await store.transaction(() => undefined);
        continue;
      }
      idle = 0;
      const text = new TextDecoder().decode(store.vault.open("outbox/content", row["content"] as Uint8Array));
      contents.push(JSON.parse(text) as JsonObject);
      await store.transaction((database) =>
        database.prepare("DELETE FROM outbox WHERE id = ?").run(Number(row["id"])),
      );
      await between(contents.length);
      packer.run();
      await store.transaction(() => undefined);
    }
    return contents;
  };
  return { store, timers, runtime, journal, drain };
};

const append = async (journal: Journal, from: number, count: number): Promise<void> => {
  for (let at = from; at < from + count; at += 1000)
    await journal.append({
      driver: "d",
      clock: "ntp",
      readings: Array.from({ length: Math.min(1000, from + count - at) }, (_, more) => ({
        name: `axis/${(at + more) % 8}`,
        value: at + more,
        timeMs: at + more,
        monoMs: at + more,
      })),
    });
};

it("sends a backlog as packs that fit, live readings between them, each reading once and in order", async () => {
  const { drain, journal, runtime, store, timers } = await bench();
  await append(journal, 0, 60_000);
  timers.advance(3_600_000);
  const options = { device: "d", roomId: "!r", namespace: "dev.petrel", maxAgeMs: 5000, maxCount: 100 };
  const packer = new Packer(store, journal, runtime, options, () => undefined);
  onTestFinished(() => packer.stop());
  let live = 60_000;
  const contents = await drain(packer, async (index) => {
    if (index > 5) return;
    timers.advance(6000);
    await append(journal, live, 10);
    live += 10;
  });
  for (const content of contents) {
    const roomId = "r".repeat(255);
    checkEvent({ roomId, sender: roomId, type: "dev.petrel.telemetry", content });
  }
  const told = contents.map((content) => parseTelemetry(content));
  const history = told.filter(({ stream }) => stream === "first");
  const ahead = told.filter(({ stream }) => stream !== "first");
  expect(history.flatMap(({ readings }) => readings.map(({ value }) => value))).toEqual(
    Array.from({ length: 60_000 }, (_, at) => at),
  );
  expect(ahead.flatMap(({ readings }) => readings.map(({ value }) => value))).toEqual(
    Array.from({ length: live - 60_000 }, (_, at) => 60_000 + at),
  );
  expect(history.length).toBeLessThan(25);
  expect(new Set(ahead.map(({ stream }) => stream)).size).toBe(1);
  const historical = contents.map((content) => content["historical"] === true);
  expect(historical).toEqual(told.map(({ stream }) => stream === "first"));
  expect(historical.indexOf(false)).toBeLessThan(historical.lastIndexOf(true));
  expect(journal.depth()).toMatchObject({ readings: 0, live: 0, bytes: 0 });
});
