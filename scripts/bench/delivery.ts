// The suite `delivery`: what issue 6 measures of the way from readings to events, each row beside what somebody would do instead.
import { drainRows } from "./delivery/drain.ts";
import { flashRows } from "./delivery/flash.ts";
import { wireRows } from "./delivery/wire.ts";
import { bundle } from "./main/stage.ts";
import type { BenchRow } from "./row.ts";

/** Readings of the drain; `node scripts/bench/delivery/drain.ts 10000000` is the full size. */
const DRAIN_READINGS = 1_000_000;

export const name = "delivery";

export const run = async (report: (row: BenchRow) => void): Promise<void> => {
  for (const row of wireRows()) report(row);
  await bundle();
  for (const row of await flashRows()) report(row);
  for (const row of await drainRows(DRAIN_READINGS)) report(row);
};
