// kill -9 at seeded moments, under load, with the WAL restarted all the time: whatever was said to be durable is there afterwards.

import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { seeded } from "#test/support/seeded.ts";
import { acknowledged, idsOf, openTestStore, startChild, temporaryFolder } from "./support.ts";

const ROUNDS = 20;
const SEED = 20_261_124;
/** Small, so that a good part of the kills hits a restart of the WAL. */
const FORCED_BYTES = 96 * 1024;

describe("a store whose process is killed", () => {
  it(`holds every row that was reported durable (${ROUNDS} kills, seed ${SEED})`, async () => {
    const path = join(temporaryFolder(), "petrel.db");
    const random = seeded(SEED);
    const expected = new Set<number>();
    for (let round = 0; round < ROUNDS; round += 1) {
      const task = {
        path,
        scenario: "produce",
        sources: 1 + Math.floor(random() * 16),
        forcedBytes: FORCED_BYTES,
      } as const;
      const child = startChild({ ...task, firstId: 1 + round * 1_000_000 });
      const acks = 1 + Math.floor(random() * 600);
      await child.said(/^open$/);
      while (acknowledged(child).length < acks) await child.next();
      child.process.kill("SIGKILL");
      expect(await child.ended).toBe("SIGKILL");
      for (const id of acknowledged(child)) expected.add(id);
    }
    const found = new Set(idsOf(await openTestStore(path)));
    expect([...expected].filter((id) => !found.has(id))).toEqual([]);
    expect(expected.size).toBeGreaterThan(ROUNDS);
  });
});
