// Deliveries of sources that were journalled, so that one repeated after a crash is recognised. Written in the transaction that writes its readings.
import type { Database } from "#agent/store/store.ts";
import type { Receipt } from "#drivers/driver.ts";
import { RECEIPTS_MAX, RECEIPTS_PRUNE_EVERY } from "./limits.ts";

/** True if this delivery was journalled before. A source that says "this is new" is believed: packet identifiers are used again. */
export const isRepeated = (database: Database, driver: string, receipt: Receipt): boolean =>
  receipt.maybeRepeated &&
  database.prepare("SELECT 1 FROM journal_receipt WHERE driver = ? AND key = ?").get(driver, receipt.key) !==
    null;

export const remember = (database: Database, driver: string, receipt: Receipt): void => {
  const { lastInsertRowid } = database
    .prepare("INSERT OR REPLACE INTO journal_receipt (driver, key) VALUES (?, ?)")
    .run(driver, receipt.key);
  if (lastInsertRowid % RECEIPTS_PRUNE_EVERY === 0)
    database.prepare("DELETE FROM journal_receipt WHERE id <= ?").run(lastInsertRowid - RECEIPTS_MAX);
};
