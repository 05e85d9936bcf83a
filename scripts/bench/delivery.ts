// The suite `delivery`: what issue 6 measures of the way from readings to events, each row beside what somebody would do instead.
import { wireRows } from "./delivery/wire.ts";
import type { BenchRow } from "./row.ts";

export const name = "delivery";

export const run = async (report: (row: BenchRow) => void): Promise<void> => {
  for (const row of wireRows()) report(row);
  await Promise.resolve();
};
