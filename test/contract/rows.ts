// The whole contract.
import { accountRows } from "./account-rows.ts";
import type { Row } from "./contract.ts";
import { delayedRows } from "./delayed-rows.ts";
import { eventRows } from "./event-rows.ts";
import { keyRows } from "./key-rows.ts";
import { limitRows } from "./limit-rows.ts";
import { mediaRows } from "./media-rows.ts";
import { moreRows } from "./more-rows.ts";
import { roomRows } from "./room-rows.ts";
import { syncRows } from "./sync-rows.ts";

export const rows: readonly Row[] = [
  ...accountRows,
  ...roomRows,
  ...eventRows,
  ...syncRows,
  ...keyRows,
  ...mediaRows,
  ...delayedRows,
  ...moreRows,
  ...limitRows,
];
