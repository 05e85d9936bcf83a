// When readings become events: late and few, never more than stated, and always in the end.
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Packer, type PackerOptions } from "#agent/delivery/packer.ts";
import { deliveryMigrations } from "#agent/delivery/tables.ts";
import { admit } from "#agent/ingest/door.ts";
import { type Journal, openJournal } from "#agent/journal/journal.ts";
import { journalMigrations } from "#agent/journal/tables.ts";
import type { JsonObject } from "#agent/matrix/types.ts";
import { checkEvent } from "#agent/matrix/validate.ts";
import type { Runtime } from "#agent/runtime.ts";
import { type Store, StoreError } from "#agent/store/store.ts";
import type { StampedReading } from "#agent/telemetry/reading.ts";
import type { Reading } from "#drivers/driver.ts";
import { type ManualTimers, manualTimers } from "#test/drivers/harness.ts";
import { openTestStore, temporaryFolder } from "../store/support.ts";
import { recordingLog } from "../whole-agent.ts";

interface Bench {
  readonly store: Store;
  readonly journal: Journal;
  readonly timers: ManualTimers;
  readonly runtime: Runtime;
  packer(options?: Partial<PackerOptions>, store?: Store): Packer;
  append(readings: readonly StampedReading[]): Promise<unknown>;
  /** Contents of the outbox, oldest first. */
  events(): JsonObject[];
  /** As if they had been sent. */
  clear(): Promise<unknown>;
  /** Everything that was asked for is done. */
  settled(): Promise<void>;
}

const bench = async (): Promise<Bench> => {
  const store = await openTestStore(join(temporaryFolder(), "p.db"), {
    migrations: [journalMigrations, deliveryMigrations],
  });
  const timers = manualTimers();
  const clock = { wallMs: () => timers.nowMs(), monoMs: () => timers.nowMs() };
  const runtime: Runtime = { clock, timers, random: (length) => randomBytes(length), log: recordingLog([]) };
  const journal = await openJournal(store, { id: "b" }, "s", { bytesMax: 1e9, whenFull: "drop-oldest" });
  const options: PackerOptions = {
    device: "d",
    roomId: "!r",
    namespace: "dev.petrel",
    maxAgeMs: 5000,
    maxCount: 100,
  };
  return {
    store,
    journal,
    timers,
    runtime,
    packer: (more = {}, through = store) =>
      new Packer(through, journal, runtime, { ...options, ...more }, () => undefined),
    append: (readings) => journal.append({ driver: "d", clock: "ntp", readings }),
    events: () =>
      store.read((database) =>
        database
          .prepare("SELECT content FROM outbox ORDER BY id")
          .all()
          .map(
            ({ content }) =>
              JSON.parse(
                new TextDecoder().decode(store.vault.open("outbox/content", content as Uint8Array)),
              ) as JsonObject,
          ),
      ),
    clear: () => store.transaction((database) => database.prepare("DELETE FROM outbox").run()),
    settled: async () => {
      for (let turn = 0; turn < 5; turn += 1) await store.transaction(() => undefined);
    },
  };
};

const readings = (count: number): StampedReading[] =>
  Array.from({ length: count }, () => ({ name: "n", value: 1, timeMs: 0, monoMs: 0 }));

describe("the packer", () => {
  it("makes an event when the oldest reading has waited long enough", async () => {
    const { append, events, packer, settled, timers } = await bench();
    packer();
    await append(readings(3));
    timers.advance(4999);
    await settled();
    expect(events()).toEqual([]);
    timers.advance(1);
    await settled();
    expect(events()).toMatchObject([{ seq: 0, count: 3 }]);
  });

  it("packs a reading that becomes due between its look and its next timer, as a timer does that fires a hair early", async () => {
    const { append, events, journal, runtime, settled, store, timers } = await bench();
    let early = false;
    let looks = 0;
    // At the first look after the timer half a millisecond is missing, at the second it has passed.
    const monoMs = (): number => timers.nowMs() - (early && looks++ === 0 ? 0.5 : 0);
    const options: PackerOptions = {
      device: "d",
      roomId: "!r",
      namespace: "dev.petrel",
      maxAgeMs: 5000,
      maxCount: 100,
    };
    new Packer(store, journal, { ...runtime, clock: { ...runtime.clock, monoMs } }, options, () => undefined);
    await settled();
    await append(readings(1));
    early = true;
    timers.advance(5000);
    await settled();
    timers.advance(1);
    await settled();
    expect(events()).toHaveLength(1);
  });

  it("does not pack a steady flow sooner because a reading came while it packed", async () => {
    const { append, clear, events, packer, settled, timers } = await bench();
    packer();
    await append(readings(1));
    timers.advance(5000);
    // Comes into the journal in the transactions around the packer's own.
    const beside = [append(readings(1)), append(readings(1)), append(readings(1))];
    await settled();
    await Promise.all(beside);
    await clear();
    for (let second = 0; second < 4; second += 1) {
      timers.advance(1000);
      await append(readings(1));
      await settled();
      expect(events()).toEqual([]);
    }
    timers.advance(1000);
    await settled();
    expect(events()).toHaveLength(1);
  });

  it("is not held up by events of a room that the configuration no longer names; those go to the new one", async () => {
    const { append, packer, settled, store, timers } = await bench();
    const first = packer({ roomId: "!old", maxCount: 1 });
    await append(readings(3));
    await settled();
    await first.stop();
    await store.transaction((database) =>
      database.prepare("UPDATE outbox SET in_doubt = 1 WHERE id = 1").run(),
    );
    packer({ roomId: "!new", maxCount: 1 });
    timers.advance(5000);
    await settled();
    const rooms = store.read((database) =>
      database.prepare("SELECT room_id AS room FROM outbox ORDER BY id").all(),
    );
    expect(rooms.map(({ room }) => room)).toEqual(["!old", "!new", "!new"]);
  });

  it("goes on after a store that would not take a transaction", async () => {
    const { append, events, packer, settled, store, timers } = await bench();
    let failures = 2;
    const reluctant: Store = {
      ...store,
      failed: store.failed,
      vault: store.vault,
      transaction: (work) => {
        failures -= 1;
        return failures >= 0 ? Promise.reject(new StoreError("BUSY", "busy")) : store.transaction(work);
      },
    };
    packer({}, reluctant);
    await append(readings(1));
    for (let round = 0; round < 4; round += 1) {
      timers.advance(5000);
      await settled();
    }
    expect(events()).toHaveLength(1);
  });

  it("makes only events that servers take, whatever came through the door, and loses none of it", async () => {
    const { append, clear, events, packer, settled, timers } = await bench();
    const packs = packer({ maxCount: 1000 });
    const text = fc.oneof(
      fc
        .constantFrom("\u0000", "\ud800", "語", "😀", '"', "a")
        .chain((unit) => fc.constantFrom(1, 100, 3000, 7000, 20_000).map((length) => unit.repeat(length))),
      fc.string({ unit: "binary" }),
    );
    const reading = fc.record<Reading>(
      {
        name: fc.constantFrom("n", "n".repeat(255)),
        value: fc.oneof(
          text,
          fc.double(),
          fc.nat(20_000).map((length) => new Uint8Array(length)),
        ),
        unit: text,
        monoMs: fc.double(),
      },
      { requiredKeys: ["name", "value", "monoMs"] },
    );
    await fc.assert(
      fc.asyncProperty(fc.array(reading, { maxLength: 30 }), fc.nat(970), async (odd, plain) => {
        const many = Array.from({ length: plain }, () => ({ name: "n", value: Math.PI, monoMs: 0 }));
        const admitted = admit(
          [...odd, ...many],
          {},
          { monoMs: timers.nowMs(), baseMs: 0 },
          { lastIn: new Map() },
          () => undefined,
        );
        if (admitted.length === 0) return;
        await append(admitted);
        timers.advance(5000);
        let packed = 0;
        for (let round = 0; round < 100 && packed < admitted.length; round += 1) {
          await settled();
          for (const content of events()) {
            const roomId = "r".repeat(255);
            checkEvent({ roomId, sender: roomId, type: "dev.petrel.telemetry", content });
            packed += Number(content["count"]);
          }
          await clear();
          packs.run();
        }
        expect(packed).toBe(admitted.length);
      }),
      { numRuns: 60, interruptAfterTimeLimit: 8000 },
    );
  });
});
