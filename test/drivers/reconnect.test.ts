import { describe, expect, it } from "vitest";
import { DriverError } from "#drivers/driver.ts";
import { type Connection, createReconnector } from "#drivers/reconnect.ts";
import { createHarness } from "./harness.ts";

const flush = async (): Promise<void> => {
  for (let turn = 0; turn < 10; turn += 1) await Promise.resolve();
};

/** A connection whose attempts the test decides. */
const scripted = (failures: number) => {
  const log: string[] = [];
  let left = failures;
  const connection: Connection = {
    open: async () => {
      log.push("open");
      left -= 1;
      if (left >= 0) throw new DriverError("UNAVAILABLE", "thing: not there; plug it in");
    },
    close: async () => void log.push("close"),
  };
  return { connection, log };
};

const down = new DriverError("UNAVAILABLE", "thing: gone");

describe("the reconnector", () => {
  it("closes what failed before it opens again, waiting longer each time", async () => {
    const harness = createHarness();
    harness.randomByte = 0;
    const { connection, log } = scripted(3);
    createReconnector("thing", connection, harness.context).start();
    const waits: number[] = [];
    for (let round = 0; round < 3; round += 1) {
      await flush();
      waits.push(...harness.timers.pending());
      harness.timers.advance(waits.at(-1) ?? 0);
    }
    await flush();
    expect(waits).toEqual([250, 500, 1_000]);
    expect(log).toEqual(["open", "close", "open", "close", "open", "close", "open"]);
    expect(harness.states.map(({ state }) => state)).toEqual(["starting", "down", "down", "down", "up"]);
  });

  it("warns once of the same trouble, and again of another", async () => {
    const harness = createHarness();
    const keeper = createReconnector("thing", scripted(3).connection, harness.context);
    keeper.start();
    for (let round = 0; round < 3; round += 1) {
      await flush();
      harness.timers.advance(60_000);
    }
    await flush();
    expect(harness.logs.filter(({ level }) => level === "warn")).toHaveLength(1);
    keeper.lost(down);
    expect(harness.logs.filter(({ level }) => level === "warn")).toHaveLength(2);
  });

  it("begins the back-off anew after a connection that held, and not after one that did not", async () => {
    const harness = createHarness();
    harness.randomByte = 0;
    const keeper = createReconnector("thing", scripted(0).connection, harness.context);
    keeper.start();
    const waits: number[] = [];
    for (const heldMs of [0, 0, 0, 20_000]) {
      await flush();
      harness.timers.advance(heldMs);
      keeper.lost(down);
      waits.push(...harness.timers.pending());
      harness.timers.advance(waits.at(-1) ?? 0);
    }
    expect(waits).toEqual([250, 500, 1_000, 250]);
  });

  it("ignores a second loss of the same connection", async () => {
    const harness = createHarness();
    const keeper = createReconnector("thing", scripted(0).connection, harness.context);
    keeper.start();
    await flush();
    keeper.lost(down);
    keeper.lost(down);
    expect(harness.timers.pending()).toHaveLength(1);
  });

  it("opens nothing any more once it is stopped, even while it opens", async () => {
    const harness = createHarness();
    const { connection, log } = scripted(1);
    const keeper = createReconnector("thing", connection, harness.context);
    keeper.start();
    await keeper.stop();
    harness.timers.advance(120_000);
    await flush();
    expect(log).toEqual(["open", "close"]);
    expect(harness.state()).toBe("stopped");
    expect(keeper.isOpen()).toBe(false);
  });

  it("does not call open what opened after the stop", async () => {
    const harness = createHarness();
    const keeper = createReconnector("thing", scripted(0).connection, harness.context);
    keeper.start();
    await keeper.stop();
    await flush();
    expect(keeper.isOpen()).toBe(false);
    expect(harness.states.map(({ state }) => state)).toEqual(["starting", "stopped"]);
  });

  it("does not open again what came to its natural end", async () => {
    const harness = createHarness();
    const { connection, log } = scripted(0);
    const keeper = createReconnector("thing", connection, harness.context);
    keeper.start();
    await flush();
    keeper.ended("read to its end");
    await flush();
    harness.timers.advance(120_000);
    expect(log).toEqual(["open", "close"]);
    expect(harness.states.at(-1)).toEqual({ state: "stopped", detail: "read to its end" });
  });
});
