// Drivers that misbehave: none of them stops the others, the start or the end of the agent.
import { describe, expect, it } from "vitest";
import * as z from "zod";
import type { DriverEntry } from "#agent/config/config.ts";
import { Ingest } from "#agent/ingest/ingest.ts";
import type { Journal } from "#agent/journal/journal.ts";
import type { Driver, DriverContext, EmitResult } from "#drivers/driver.ts";
import { createHarness, type Harness } from "#test/drivers/harness.ts";

const never = (): Promise<void> => new Promise(() => undefined);
const ready = (): Promise<void> => Promise.resolve();

interface Bench {
  readonly harness: Harness;
  readonly ingest: Ingest;
  readonly contexts: DriverContext[];
  answer: () => Promise<EmitResult>;
  start(...drivers: (Driver | Error)[]): Promise<void>;
}

const bench = (): Bench => {
  const harness = createHarness();
  const { clock, log, random, timers } = harness.context;
  const appended = (): Promise<EmitResult> => made.answer();
  const journal: Journal = {
    append: appended,
    depth: () => ({ readings: 0, bytes: 0, lost: 0, live: 0 }),
    liveAgeMs: () => null,
    beginStream: () => Promise.resolve(),
    expire: () => Promise.resolve(),
    flush: () => Promise.resolve(),
    taken: () => undefined,
    reserve: () => undefined,
    clockKnown: () => Promise.resolve(),
    onAppended: () => undefined,
  };
  const ingest = new Ingest({
    runtime: { clock, log, random, timers },
    journal,
    channels: { n: { show: true, every: 1000 } },
    epoch: () => ({ clock: "ntp", line: { baseMs: 0, offsetMs: 0 } }),
    reveal: (options) => options,
  });
  const contexts: DriverContext[] = [];
  const entryOf = (driver: Driver | Error): DriverEntry => ({
    kind: {
      kind: "test",
      schema: z.unknown(),
      create: (_name, _options, context) => {
        contexts.push(context);
        if (driver instanceof Error) throw driver;
        return driver;
      },
    },
    options: {},
  });
  const made: Bench = {
    harness,
    ingest,
    contexts,
    answer: () => Promise.resolve({ outcome: "durable" }),
    start: (...drivers) =>
      ingest.start(new Map(drivers.map((driver, index) => [`d${index}`, entryOf(driver)]))),
  };
  return made;
};

describe("a driver", () => {
  it("that cannot be made is down with the reason, and the next one runs", async () => {
    const { ingest, start } = bench();
    await start(new Error("no such port"), { start: ready, stop: ready });
    expect(ingest.views()).toEqual([
      { name: "d0", state: "down", detail: "no such port" },
      { name: "d1", state: "starting" },
    ]);
    await ingest.stop();
  });

  it("that never comes to the end of its start does not hold up the agent", async () => {
    const { harness, ingest, start } = bench();
    const started = start({ start: never, stop: ready });
    harness.timers.advance(10_000);
    await started;
    expect(harness.logs.map(({ message }) => message).join()).toContain("has not started within");
    await ingest.stop();
    expect(harness.timers.pending()).toEqual([]);
  });

  it("that never stops does not hold up the end, nor does one that fails to", async () => {
    const { harness, ingest, start } = bench();
    await start(
      { start: ready, stop: never },
      { start: ready, stop: () => Promise.reject(new Error("stuck")) },
    );
    const stopped = ingest.stop();
    await new Promise(setImmediate);
    harness.timers.advance(5000);
    await stopped;
    const said = harness.logs.map(({ message }) => message).join();
    expect(said).toContain("left alone");
    expect(said).toContain("did not stop cleanly");
  });

  it("whose reading was refused may give it again: it is not thinned out as if it had been kept", async () => {
    const made = bench();
    await made.start({ start: ready, stop: ready });
    const emit = (): Promise<EmitResult> | undefined =>
      made.contexts[0]?.emit([{ name: "n", value: 1, monoMs: 900 }]);
    made.answer = () => Promise.resolve({ outcome: "refused", reason: "full" });
    expect(await emit()).toMatchObject({ outcome: "refused" });
    made.answer = () => Promise.reject(new Error("the disk"));
    await expect(emit()).rejects.toThrow("the disk");
    made.answer = () => Promise.resolve({ outcome: "durable" });
    expect(await emit()).toEqual({ outcome: "durable" });
    expect(made.ingest.values.views(0)).toHaveLength(1);
    expect(made.ingest.counters()).toEqual({ d0: {} });
  });
});
