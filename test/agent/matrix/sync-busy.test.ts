import { expect, it } from "vitest";
import { StoreError } from "#agent/store/store.ts";
import { countsOf, onceEach, pairInARoom, runSync } from "./support.ts";

it("the sync goes on after a store that had too many transactions waiting, and hands on everything once", async () => {
  const pair = await pairInARoom();
  let busy = 0;
  const { store } = pair.rig;
  const through: typeof store = {
    ...store,
    transaction: (work) => {
      if (busy === 0) return store.transaction(work);
      busy -= 1;
      return Promise.reject(new StoreError("BUSY", "too many transactions wait"));
    },
  };
  const running = runSync({ ...pair.rig, store: through });
  await running.until(() => running.batches.length > 0);
  busy = 2;
  const eventIds = [await pair.say("one"), await pair.say("two")];
  await running.until(() => countsOf(running.received(), eventIds).every((count) => count > 0));
  expect(busy).toBe(0);
  expect(countsOf(running.received(), eventIds)).toEqual(onceEach(eventIds));
  await running.end();
});
