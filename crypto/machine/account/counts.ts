// How many of our one-time keys the server holds, as /sync and /keys/upload say (Client-Server API, "End-to-end encryption: extensions to /sync").
import { isJsonObject, member } from "../../shape.ts";
import { type Context, ownAccount, updateAccount } from "../context.ts";
import { ONE_TIME_KEYS_LOW, ONE_TIME_KEYS_TARGET } from "../limits.ts";
import type { AccountRow } from "../store/store.ts";
import { SIGNED_CURVE25519 } from "./device-keys.ts";
import { heardFallbackTypes } from "./fallback.ts";

/** What a sync said of our keys. */
export interface KeyCounts {
  /** `device_one_time_keys_count`; null when it was absent. */
  readonly oneTimeKeys: unknown;
  /** `device_unused_fallback_key_types`; null when it was absent: the server has no fallback keys. */
  readonly unusedFallbackTypes: unknown;
  /** The first sync, without a `since`: Dendrite's carries no counts even where there are keys. */
  readonly initial: boolean;
}

export function receiveKeyCounts(context: Context, counts: KeyCounts): void {
  heardFallbackTypes(context, counts.unusedFallbackTypes);
  const row = ownAccount(context);
  const heard = heardCount(counts.oneTimeKeys);
  if (heard !== null) applyCount(context, row, heard, false);
  else if (!counts.initial && row.absentMeansZero) applyCount(context, row, 0, true);
}

function applyCount(context: Context, row: AccountRow, serverCount: number, countWasAbsent: boolean): void {
  const held = row.account.oneTimeKeys.length;
  const unknown = serverCount > held;
  if (unknown && !row.unknownKeysReported) {
    context.notify({ kind: "one-time-keys-unknown", onServer: serverCount, held });
  }
  const same = row.serverCount === serverCount && row.unknownKeysReported === unknown;
  // Most syncs say nothing new: no write for those.
  if (!same) updateAccount(context, { serverCount, countWasAbsent, unknownKeysReported: unknown });
}

/** The count of an object of counts: an algorithm that is absent has none. Null when there is no object. */
export function heardCount(counts: unknown): number | null {
  if (!isJsonObject(counts)) return null;
  const count = member(counts, SIGNED_CURVE25519);
  return typeof count === "number" && Number.isSafeInteger(count) && count > 0 ? count : 0;
}

/** How many keys the server should get now. Without fallback keys it is kept full: when it runs out, nobody new can reach us. */
export function keysMissing(row: AccountRow): number {
  if (!row.deviceKeysPublished) return ONE_TIME_KEYS_TARGET;
  if (row.serverCount === null) return 0;
  const low = row.fallback.supported ? ONE_TIME_KEYS_LOW : ONE_TIME_KEYS_TARGET;
  return row.serverCount < low ? ONE_TIME_KEYS_TARGET - row.serverCount : 0;
}
