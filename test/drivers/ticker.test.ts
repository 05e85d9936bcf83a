import { describe, expect, it } from "vitest";
import { createTicker } from "#drivers/ticker.ts";
import { createHarness, type Harness } from "./harness.ts";

/** A ticker whose rounds end when the test says so. */
const createScene = (): {
  harness: Harness;
  begun: number[];
  end: () => Promise<void>;
  ticker: ReturnType<typeof createTicker>;
} => {
  const harness = createHarness();
  const begun: number[] = [];
  let finish: () => void = () => undefined;
  const ticker = createTicker(harness.context, 100, () => {
    begun.push(harness.timers.nowMs() - 1_000);
    return new Promise((resolve) => {
      finish = resolve;
    });
  });
  const end = async (): Promise<void> => {
    finish();
    for (let turn = 0; turn < 5; turn += 1) await Promise.resolve();
  };
  return { harness, begun, end, ticker };
};

describe("the ticker", () => {
  it("begins at once and keeps its beat although rounds take time", async () => {
    const { harness, begun, end, ticker } = createScene();
    ticker.start();
    for (let round = 0; round < 3; round += 1) {
      harness.timers.advance(30);
      await end();
      harness.timers.advance(70);
    }
    expect(begun).toEqual([0, 100, 200, 300]);
  });

  it("lets rounds fall out that a slow one covers, and never runs two at once", async () => {
    const { harness, begun, end, ticker } = createScene();
    ticker.start();
    harness.timers.advance(250);
    expect(begun).toEqual([0]);
    await end();
    harness.timers.advance(50);
    expect(begun).toEqual([0, 300]);
  });

  it("waits at its stop for the round that runs and begins none after it", async () => {
    const { harness, begun, end, ticker } = createScene();
    ticker.start();
    let stopped = false;
    const stopping = ticker.stop().then(() => {
      stopped = true;
    });
    await Promise.resolve();
    expect(stopped).toBe(false);
    await end();
    await stopping;
    harness.timers.advance(1_000);
    expect(begun).toEqual([0]);
    expect(harness.timers.pending()).toEqual([]);
  });
});
