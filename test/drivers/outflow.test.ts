import { describe, expect, it } from "vitest";
import type { Reading } from "#drivers/driver.ts";
import { createOutflow, readingBytes } from "#drivers/outflow.ts";
import { createHarness, until } from "./harness.ts";

const reading = (value: number): Reading => ({ name: "n", value, monoMs: 0 });
const range = (from: number, count: number): Reading[] =>
  Array.from({ length: count }, (_, index) => reading(from + index));

describe("the outflow", () => {
  it("emits what is offered together as one batch, at once", () => {
    const harness = createHarness();
    createOutflow(harness.context).offer(range(0, 3));
    expect(harness.emitted.map(({ readings }) => readings.length)).toEqual([3]);
  });

  it("keeps the order while batches are in flight, and merges what waits", async () => {
    const harness = createHarness();
    harness.emitMode = "hold";
    const outflow = createOutflow(harness.context, { emitsInFlightMax: 2 });
    for (let start = 0; start < 50; start += 5) outflow.offer(range(start, 5));
    expect(harness.emitted).toHaveLength(2);
    harness.release();
    await until(() => harness.emitted.length > 2, "the rest");
    expect(harness.readings().map(({ value }) => value)).toEqual(range(0, 50).map(({ value }) => value));
    expect(harness.emitted).toHaveLength(3);
  });

  it("drops the newest beyond its bound, counts them, and takes more once there is room", async () => {
    const harness = createHarness();
    harness.emitMode = "hold";
    const outflow = createOutflow(harness.context, { waitingBytesMax: 10 * readingBytes(reading(0)) });
    expect(outflow.offer(range(0, 8))).toBe(true);
    expect(outflow.offer(range(8, 8))).toBe(false);
    expect(harness.counted("dropped")).toBe(6);
    harness.emitMode = "durable";
    harness.release();
    await until(() => outflow.waitingBytes() === 0, "room");
    expect(outflow.offer(range(20, 1))).toBe(true);
    expect(harness.readings().map(({ value }) => value)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 20]);
  });

  it("waits at its stop for what is in flight, and counts what could not go any more", async () => {
    const harness = createHarness();
    harness.emitMode = "hold";
    const outflow = createOutflow(harness.context, { emitsInFlightMax: 1, stopDrainMs: 100 });
    outflow.offer(range(0, 1));
    outflow.offer(range(1, 4));
    const stopping = outflow.stop();
    harness.timers.advance(100);
    await stopping;
    expect(harness.counted("dropped")).toBe(4);
    harness.release();
    expect(outflow.offer(range(9, 1))).toBe(false);
    expect(harness.emitted).toHaveLength(1);
    expect(harness.timers.pending()).toEqual([]);
  });
});
