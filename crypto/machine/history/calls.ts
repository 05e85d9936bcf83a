// The machine's calls for history bundles.
import type { JsonObject } from "../../shape.ts";
import type { RestoreCounts } from "../backup/restore.ts";
import type { Run } from "../context.ts";
import { type BundlePart, bundlePart } from "./bundle.ts";
import {
  expectHistory,
  historyDone,
  takeHistory,
  takeRefusals,
  type WantedHistory,
  wantedHistory,
} from "./receive.ts";
import { type HistoryShare, shareHistory } from "./share.ts";

export interface HistoryCalls {
  /** A part of a room's bundle, for `encodeBundle` of all parts; begin with null. Holds keys. */
  historyPart(roomId: string, after: string | null): BundlePart;
  /** Tells the devices of somebody who is invited where the bundle is; again and again until nothing is under way. @throws MachineError OWN_IDENTITY, IDENTITY_CHANGED */
  shareHistory(roomId: string, userId: string, file: JsonObject): HistoryShare;
  /** We joined a room by this user's invitation: their bundle is taken, within a day. */
  expectHistory(roomId: string, inviter: string): void;
  /** Bundles that are there to be fetched. */
  wantedHistory(): readonly WantedHistory[];
  /** Takes sessions of `readBundle`, BUNDLE_SLICE at a time; `refused`: the session IDs of its other list. */
  takeHistory(roomId: string, keys: readonly unknown[], refused: ReadonlySet<string>): RestoreCounts;
  takeHistoryRefusals(roomId: string, refusals: readonly unknown[]): void;
  /** It was taken, or cannot be. */
  historyDone(roomId: string): void;
}

export function historyCalls(run: Run): HistoryCalls {
  return {
    historyPart: (roomId, after) => run((context) => bundlePart(context, roomId, after)),
    shareHistory: (roomId, userId, file) => run((context) => shareHistory(context, roomId, userId, file)),
    expectHistory: (roomId, inviter) => run((context) => expectHistory(context, roomId, inviter)),
    wantedHistory: () => run(wantedHistory),
    takeHistory: (roomId, keys, refused) => run((context) => takeHistory(context, roomId, keys, refused)),
    takeHistoryRefusals: (roomId, refusals) => run((context) => takeRefusals(context, roomId, refusals)),
    historyDone: (roomId) => run((context) => historyDone(context, roomId)),
  };
}
