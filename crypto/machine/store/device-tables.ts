// Which rows belong to one device and are worth nothing to another: its keys and everything that was agreed with them. What remains are the user's
// identity, what is known of others, room keys to read with, the marks of encrypted rooms, and the counters, whose numbers are never given twice.
import type { MachineStore, TableName } from "./store.ts";

/** For whoever keeps the rows: all of these are deleted together, or none. */
export const DEVICE_TABLES: readonly TableName[] = [
  "account",
  "request",
  "underWay",
  "olm",
  "seen",
  "wedged",
  "outbound",
  "share",
  "verification",
  "secretRequest",
  "secretAnswer",
];

/** The ratchets alone: without them each room begins a new session and each device a new conversation, under the same keys. */
export const RATCHET_TABLES: readonly TableName[] = ["olm", "outbound", "share"];

/** Whose device's keys the store holds; null: none yet. */
export const storedOwner = (
  store: Pick<MachineStore, "get">,
): { readonly userId: string; readonly deviceId: string } | null => {
  const row = store.get("account", "", "");
  return row === null ? null : { userId: row.userId, deviceId: row.deviceId };
};
