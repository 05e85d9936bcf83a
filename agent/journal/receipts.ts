// Deliveries of sources that were journalled, so that one repeated after a crash is recognised. Written in the transaction that writes its readings.
// Each driver has its own: a busy one must not make a quiet one forget.
import type { Database } from "#agent/store/store.ts";
import type { Receipt } from "#drivers/driver.ts";
import { RECEIPTS_MAX, RECEIPTS_PRUNE_EVERY } from "./limits.ts";

/** How many receipts of each driver were written since they were last pruned. Only when to prune: a wrong number, after a roll-back, does no harm. */
export type Unpruned = Map<string, number>;

/** True if this delivery was journalled before. A source that says "this is new" is believed: packet identifiers are used again. */
export const isRepeated = (database: Database, driver: string, receipt: Receipt): boolean =>
  receipt.maybeRepeated &&
  database.prepare("SELECT 1 FROM journal_receipt WHERE driver = ? AND key = ?").get(driver, receipt.key) !==
    null;

const prune = (database: Database, driver: string): void => {
  database
    .prepare(
      `DELETE FROM journal_receipt WHERE driver = ?1 AND id <=
         (SELECT id FROM journal_receipt WHERE driver = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)`,
    )
    .run(driver, RECEIPTS_MAX);
};

export const remember = (database: Database, unpruned: Unpruned, driver: string, receipt: Receipt): void => {
  database
    .prepare("INSERT OR REPLACE INTO journal_receipt (driver, key) VALUES (?, ?)")
    .run(driver, receipt.key);
  // One that this process has not pruned yet: it may have run over the bound before.
  const count = unpruned.get(driver) ?? RECEIPTS_PRUNE_EVERY;
  if (count >= RECEIPTS_PRUNE_EVERY) prune(database, driver);
  unpruned.set(driver, count >= RECEIPTS_PRUNE_EVERY ? 1 : count + 1);
};
