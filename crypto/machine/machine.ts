// The encryption machine: begin here. Sans-I/O and synchronous: it says which requests to make (`outgoingRequests`) and takes their answers.
// It holds nothing between calls. Whoever uses it opens a transaction, calls `on` with that transaction's store, makes any number of calls,
// commits, waits until that is durable, and only then sends anything.
import { OlmAccount } from "../olm/account.ts";
import { type KeyCounts, receiveKeyCounts } from "./account/counts.ts";
import { forgetOldFallback, NO_FALLBACK } from "./account/fallback.ts";
import { answerUpload, prepareUpload } from "./account/upload.ts";
import { type Context, type MachineConfig, ownAccount } from "./context.ts";
import { MachineError } from "./errors.ts";
import type { Notice } from "./notices.ts";
import type { Answer, Request } from "./requests.ts";
import type { AccountRow, MachineStore, RequestRow } from "./store/store.ts";
import { beginWork } from "./store/work.ts";

/** The machine within one transaction. A call that throws has changed nothing. */
export interface MachineCalls {
  /** Makes our device's keys, unless the store has them. @throws MachineError OTHER_DEVICE */
  setUp(): { readonly curve25519: string; readonly ed25519: string };
  /** What a /sync said of our keys on the server. */
  receiveKeyCounts(counts: KeyCounts): void;
  /** Every request under way, oldest first, new ones included. The same ones, unchanged, until they are answered. */
  outgoingRequests(): readonly Request[];
  /** @throws MachineError UNKNOWN_REQUEST */
  answer(requestId: string, answer: Answer): void;
  /** What a person should hear of, from all calls since `on`. */
  readonly notices: readonly Notice[];
}

export interface Machine {
  readonly userId: string;
  readonly deviceId: string;
  /** `nowMs`: wall time, ms since the epoch. The store must be that of the transaction under way. */
  on(store: MachineStore, nowMs: number): MachineCalls;
}

export function createMachine(config: MachineConfig): Machine {
  return {
    userId: config.userId,
    deviceId: config.deviceId,
    on: (store, nowMs) => {
      const notices: Notice[] = [];
      const run = <T>(work: (context: Context) => T): T => runCall(config, store, nowMs, notices, work);
      return {
        notices,
        setUp: () => run(setUp),
        receiveKeyCounts: (counts) => run((context) => receiveKeyCounts(context, counts)),
        outgoingRequests: () => run(outgoingRequests),
        answer: (requestId, answer) => run((context) => takeAnswer(context, requestId, answer)),
      };
    },
  };
}

/** One call: its changes are written when it is over, its notices count then, too. */
function runCall<T>(
  config: MachineConfig,
  store: MachineStore,
  nowMs: number,
  notices: Notice[],
  work: (context: Context) => T,
): T {
  const rows = beginWork(store);
  const said: Notice[] = [];
  const result = work({ ...config, rows, nowMs, notify: (notice) => said.push(notice) });
  const changes = rows.changes();
  if (changes.length > 0) store.write(changes);
  notices.push(...said);
  return result;
}

function setUp(context: Context): { readonly curve25519: string; readonly ed25519: string } {
  if (context.rows.get("account", "", "") === null) {
    context.rows.put("account", "", "", newAccount(context));
  }
  const { curve25519, ed25519 } = new OlmAccount(context.provider, ownAccount(context).account);
  return { curve25519, ed25519 };
}

function newAccount({ provider, userId, deviceId }: Context): AccountRow {
  return {
    userId,
    deviceId,
    account: OlmAccount.create(provider).exportState(),
    deviceKeysPublished: false,
    serverCount: null,
    countWasAbsent: false,
    absentMeansZero: true,
    unknownKeysReported: false,
    fallback: NO_FALLBACK,
    uploadRefusals: 0,
    uploadNotBeforeMs: 0,
  };
}

function outgoingRequests(context: Context): readonly Request[] {
  forgetOldFallback(context);
  prepareUpload(context);
  return context.rows.list("request", "").map(({ row }) => row.request);
}

function takeAnswer(context: Context, requestId: string, answer: Answer): void {
  const row = context.rows.get("request", "", requestId);
  if (row === null) {
    throw new MachineError(
      "UNKNOWN_REQUEST",
      `encryption machine: no request ${requestId} is under way; answer each request of outgoingRequests once`,
    );
  }
  if (answer.ok) context.rows.delete("request", "", requestId);
  dispatchAnswer(context, row, answer);
}

function dispatchAnswer(context: Context, row: RequestRow, answer: Answer): void {
  switch (row.request.kind) {
    case "keys-upload":
      answerUpload(context, row, answer);
  }
}
