// A driver that throws out of its own timer: nobody stands around that call but the agent.
import { expect, it } from "vitest";
import * as z from "zod";
import type { DriverEntry } from "#agent/config/config.ts";
import { Ingest } from "#agent/ingest/ingest.ts";
import { openJournal } from "#agent/journal/journal.ts";
import { journalMigrations } from "#agent/journal/tables.ts";
import type { Driver, DriverContext } from "#drivers/driver.ts";
import { createHarness } from "#test/drivers/harness.ts";
import { openTestStore, temporaryFolder } from "../store/support.ts";

const entry = (create: (context: DriverContext) => Driver): DriverEntry => ({
  kind: { kind: "test", schema: z.unknown(), create: (_name, _options, context) => create(context) },
  options: {},
});

it("is down and says why, while another driver goes on", async () => {
  const { context } = createHarness();
  const store = await openTestStore(`${temporaryFolder()}/j.db`, { migrations: [journalMigrations] });
  const journal = await openJournal(store, { id: "boot" }, "stream", { bytesMax: 1e6, whenFull: "reject" });
  const due: (() => void)[] = [];
  const timers = {
    after: (_delayMs: number, callback: () => void) => {
      due.push(callback);
      return (): void => undefined;
    },
  };
  const ingest = new Ingest({
    runtime: { clock: context.clock, log: context.log, random: context.random, timers },
    journal,
    channels: {},
    epoch: () => ({ clock: "ntp", line: { baseMs: 0, offsetMs: 0 } }),
    reveal: (options) => options,
  });
  const ticking = (tick: (context: DriverContext) => void) =>
    entry((own) => ({
      start: () => {
        own.state("up");
        own.timers.after(1, () => tick(own));
        return Promise.resolve();
      },
      stop: () => Promise.resolve(),
    }));
  const bad = ticking(() => {
    throw new Error("the third byte was not there");
  });
  let outcome: Promise<unknown> = Promise.resolve();
  const good = ticking((own) => {
    outcome = own.emit([{ name: "n", value: 1, monoMs: 0 }]);
  });
  await ingest.start(
    new Map([
      ["bad", bad],
      ["good", good],
    ]),
  );
  for (const callback of due.splice(0)) expect(callback).not.toThrow();
  expect(await outcome).toEqual({ outcome: "durable" });
  expect(ingest.views()).toEqual([
    { name: "bad", state: "down", detail: "the third byte was not there" },
    { name: "good", state: "up" },
  ]);
  await ingest.stop();
  await store.close();
});
