// What else is written in the journal's transaction: told of exactly what it writes, and rolled back with it.
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { type Journal, openJournal } from "#agent/journal/journal.ts";
import type { Witness } from "#agent/journal/ledger.ts";
import { journalMigrations } from "#agent/journal/tables.ts";
import { openTestStore, temporaryFolder } from "../store/support.ts";

const setup = async (witness: Witness): Promise<Journal> => {
  const store = await openTestStore(join(temporaryFolder(), "j.db"), { migrations: [journalMigrations] });
  const policy = { bytesMax: 1e9, whenFull: "drop-oldest" as const };
  return openJournal(store, { id: "boot-1" }, "stream-1", policy, witness);
};

const append = (journal: Journal, values: readonly number[], key?: string): ReturnType<Journal["append"]> =>
  journal.append({
    driver: "d",
    clock: "ntp",
    readings: values.map((value) => ({ name: "n", value, timeMs: value, monoMs: value })),
    receipt: key === undefined ? undefined : { key, maybeRepeated: true },
  });

describe("the witness of the journal", () => {
  it("is told of each reading with its number, and not of a repeated delivery", async () => {
    const seen: string[] = [];
    const journal = await setup((_database, { deliveries, firstSeq, stream }) => {
      const values = deliveries.flatMap(({ readings }) => readings.map(({ value }) => value));
      seen.push(`${stream} ${firstSeq}: ${values.join(" ")}`);
    });
    await append(journal, [1, 2, 3], "a");
    await append(journal, [1, 2, 3], "a");
    await append(journal, [4], "b");
    expect(seen).toEqual(["stream-1 0: 1 2 3", "stream-1 3: 4"]);
  });

  it("rolls the readings back when it throws", async () => {
    let broken = true;
    const journal = await setup(() => {
      if (broken) throw new Error("no");
    });
    await expect(append(journal, [1])).rejects.toThrow("no");
    expect(journal.depth().readings).toBe(0);
    broken = false;
    expect(await append(journal, [1])).toEqual({ outcome: "durable" });
    expect(journal.depth().readings).toBe(1);
  });
});
