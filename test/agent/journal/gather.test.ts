// The gathering itself, on clocks that tests turn by hand.
import { expect, it } from "vitest";
import { createGathering } from "#agent/journal/gather.ts";
import { manualTimers } from "#test/drivers/harness.ts";

it("goes on flushing after a timer that fired a little early", async () => {
  const timers = manualTimers();
  let behindMs = 0;
  let committed = 0;
  const gathering = createGathering({
    clock: { monoMs: () => timers.nowMs() - behindMs },
    timers,
    commit: (batch) => {
      committed += batch.length;
      return Promise.resolve(batch.map(() => ({ outcome: "durable" }) as const));
    },
    lost: (_, error) => expect.fail(String(error)),
  });
  const reading = { name: "n", value: 1, timeMs: 0, monoMs: 0 };
  await gathering.add({ driver: "d", clock: "ntp", flushMs: 1000, readings: [reading] });
  behindMs = 0.5;
  timers.advance(1000);
  // The early look ends in a turn of its own.
  await new Promise((resolve) => setImmediate(resolve));
  expect(committed).toBe(0);
  timers.advance(2);
  await new Promise((resolve) => setImmediate(resolve));
  expect(committed).toBe(1);
});
