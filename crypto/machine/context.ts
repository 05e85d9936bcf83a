// What every function of the machine gets: who we are, the primitives, the time, the rows, and where to put what people should hear.
// The machine itself holds nothing between two calls.
import type { CryptoProvider } from "../provider.ts";
import type { JsonObject } from "../shape.ts";
import { MachineError } from "./errors.ts";
import { REQUEST_NUMBER_DIGITS } from "./limits.ts";
import type { Notice } from "./notices.ts";
import type { Request, RequestKind } from "./requests.ts";
import type { RoomKey } from "./rooms/inbound.ts";
import type { Rotation } from "./rooms/settings.ts";
import type { AccountRow, Change, UnderWayRow } from "./store/store.ts";
import type { Work } from "./store/work.ts";

export interface MachineConfig {
  readonly provider: CryptoProvider;
  readonly userId: string;
  readonly deviceId: string;
  /** Master keys (unpadded base64) by user ID that a person pinned in the configuration: these are verified, whatever else is. */
  readonly trustedMasters?: ReadonlyMap<string, string>;
  /** How often room keys are made anew at least; a room may ask for more. */
  readonly rotation?: Rotation;
  /** Key requests: whether our other devices are asked for sessions that are missing, and whether theirs are answered. Absent: neither. */
  readonly keyForwarding?: { readonly asks: boolean; readonly answers: boolean };
  /** Devices by user ID that get no room key, whatever else holds (`m.blacklisted`). */
  readonly blockedDevices?: ReadonlyMap<string, ReadonlySet<string>>;
  /** To-device messages from devices that are not cross-signed are not taken, but for keys, requests and verification. */
  readonly crossSignedSendersOnly?: boolean;
}

export interface Context extends MachineConfig {
  readonly rows: Work;
  /** Wall time, ms since the epoch. */
  readonly nowMs: number;
  notify(notice: Notice): void;
  /** A session can be read that could not, or from an earlier message on. */
  nowReadable(key: RoomKey): void;
}

/** Runs one call of the machine: its changes are written at its end, or not at all. */
export type Run = <T>(work: (context: Context) => T) => T;

/** Our device's row. @throws MachineError NO_ACCOUNT, OTHER_DEVICE */
export function ownAccount(context: Context): AccountRow {
  const row = context.rows.get("account", "", "");
  if (row === null)
    throw new MachineError("NO_ACCOUNT", "encryption machine: no account yet; call setUp first");
  if (row.userId === context.userId && row.deviceId === context.deviceId) return row;
  throw new MachineError(
    "OTHER_DEVICE",
    `encryption machine: the store holds the keys of ${row.userId} ${row.deviceId}, not of ${context.userId} ${context.deviceId}; use that store with its own device, or begin with an empty one`,
  );
}

export function updateAccount(context: Context, changes: Partial<AccountRow>): void {
  context.rows.put("account", "", "", { ...ownAccount(context), ...changes });
}

/** The next number of a counter, from 1. Numbers are never given twice. */
export function nextNumber(context: Context, counter: string): number {
  const number = context.rows.get("counter", "", counter)?.next ?? 1;
  context.rows.put("counter", "", counter, { next: number + 1 });
  return number;
}

/** Puts a request under way, under an ID that sorts after all before it. */
export function addRequest(
  context: Context,
  request: (id: string) => Omit<Request, "id">,
  detail: JsonObject,
): void {
  const id = `petrel.${String(nextNumber(context, "request")).padStart(REQUEST_NUMBER_DIGITS, "0")}`;
  const row = { request: { id, ...request(id) }, detail };
  context.rows.put("request", "", id, row);
  context.rows.put("underWay", row.request.kind, id, { detail });
}

/** It is over: answered, or taken back. */
export function endRequest({ rows }: Context, { id, kind }: Pick<Request, "id" | "kind">): void {
  rows.delete("request", "", id);
  rows.delete("underWay", kind, id);
}

/** Counts the changes of what decides who may read: rooms/share-parts.ts. */
export const READERS_COUNTER = "readers";

/** Whether a change is one of those. A broken Olm session is none before it was replaced: then a key is given again. */
export function changesReaders({ table, row }: Change): boolean {
  if (table === "wedged") return row !== null && !row.wanted;
  return table === "device" || table === "identity" || (table === "tracked" && row === null);
}

/** Requests of a store that was written before there were rows in short. */
export function indexRequests({ rows }: Context): void {
  if (rows.get("counter", "", "requests-indexed") !== null) return;
  for (const { item, row } of rows.list("request", "")) {
    const { detail, request } = row;
    rows.put("underWay", request.kind, item, { detail });
  }
  rows.put("counter", "", "requests-indexed", { next: 1 });
}

/** The requests of a kind that are under way, oldest first. Without their bodies, which may be large. */
export function requestsUnderWay(
  { rows }: Context,
  kind: RequestKind,
): readonly (UnderWayRow & Pick<Request, "id">)[] {
  return rows.list("underWay", kind).map(({ item, row }) => ({ id: item, detail: row.detail }));
}
