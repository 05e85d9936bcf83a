// Ended at any moment and started again, many times, while events keep coming: each is handed on exactly once.
import fc from "fast-check";
import { expect, it } from "vitest";
import { countsOf, onceEach, openRig, PROFILES, pairInARoom, receivedIn, runSync } from "./support.ts";

it.each(PROFILES)(
  "nothing twice and nothing missing through restarts at seeded moments on %s",
  async (profile) => {
    const pair = await pairInARoom({ profile });
    const { store } = pair.rig;
    const said: string[] = [];
    const [moments = []] = fc.sample(
      fc.array(fc.tuple(fc.nat(25), fc.nat(90)), { minLength: 12, maxLength: 12 }),
      {
        numRuns: 1,
        seed: 20_261_124,
      },
    );
    await (async () => {
      const first = runSync(pair.rig);
      await first.until(() => first.batches.length > 0);
      await first.end();
    })();
    for (const [afterMs, events] of moments) {
      const running = runSync(await openRig(pair.server.url, pair.device, { store }));
      said.push(...pair.sayMany(events));
      await new Promise((resolve) => setTimeout(resolve, afterMs));
      said.push(...pair.sayMany(3));
      await running.end();
    }
    const last = runSync(await openRig(pair.server.url, pair.device, { store }));
    const finished = (): boolean => countsOf(last.received(), said.slice(-1)).every((count) => count > 0);
    await last.until(finished);
    await last.end();
    expect(countsOf(receivedIn(store), said)).toEqual(onceEach(said));
  },
);
