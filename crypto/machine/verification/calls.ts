// The machine's calls for verification, and what a person sees of one.
import { sasEmoji } from "../../sas.ts";
import type { Context, Run } from "../context.ts";
import { MachineError } from "../errors.ts";
import { trustMaster } from "./finish.ts";
import { advance, allVerifications, putVerification } from "./flow.ts";
import { canScan, canShow, confirmScanned, scanQr, showQr } from "./qr.ts";
import { receiveRoomVerification } from "./receive.ts";
import { acceptRequest, requestVerification, type VerificationOptions } from "./request.ts";
import { acceptSas, confirmSas, sasStrings, startSas } from "./sas.ts";
import { cancelled, isOver, SAS_METHOD, type VerificationRow, type Verified } from "./state.ts";

/**
 * - `asked`: they ask; accept or cancel.
 * - `waiting`: for the other side.
 * - `ready`: both agreed; start SAS, show a code (`showsQr`) or scan theirs (`scansQr`), or wait: they may start.
 * - `compare`: do both sides show the same? confirm or mismatch. `emoji` null: only the numbers.
 * - `scanned`: they say that they scanned our code. Does their device show success? confirm or cancel.
 * - `done`, `cancelled`.
 */
export type VerificationPhase =
  | { readonly phase: "asked" | "waiting" }
  | { readonly phase: "ready"; readonly sas: boolean; readonly showsQr: boolean; readonly scansQr: boolean }
  | {
      readonly phase: "compare";
      readonly emoji:
        | readonly { readonly number: number; readonly emoji: string; readonly name: string }[]
        | null;
      readonly decimals: readonly [number, number, number];
    }
  | { readonly phase: "scanned" }
  | { readonly phase: "done"; readonly verified: Verified }
  | { readonly phase: "cancelled"; readonly code: string; readonly reason: string; readonly byUs: boolean };

export type Verification = VerificationPhase &
  Pick<VerificationRow, "id" | "userId" | "deviceId" | "roomId" | "ours" | "createdAtMs" | "untilMs">;

export interface VerificationCalls {
  /** Those under way, and those that ended within the last hour. */
  verifications(): readonly Verification[];
  /** @throws MachineError UNKNOWN_USER, UNKNOWN_DEVICE, TOO_MANY_VERIFICATIONS */
  requestVerification(userId: string, options?: VerificationOptions): Verification;
  /** Says yes to a request. @throws MachineError UNKNOWN_VERIFICATION, WRONG_PHASE, as all below */
  acceptVerification(id: string, options?: { readonly scan?: boolean }): Verification;
  /** Begins comparing strings. */
  startSas(id: string): Verification;
  /** The bytes of our code, the same each time; null where keys for it are missing. */
  verificationQr(id: string): Uint8Array | null;
  /** The bytes of their code. @throws CryptoError for what is no such code: nothing has changed then */
  scanVerificationQr(id: string, bytes: Uint8Array): Verification;
  /** The strings are the same, or their device shows that scanning worked. */
  confirmVerification(id: string): Verification;
  /** The strings differ. */
  mismatchVerification(id: string): Verification;
  cancelVerification(id: string): Verification;
  /** A person compared a user's master key by other means. @throws MachineError UNKNOWN_USER, IDENTITY_CHANGED */
  trustMaster(userId: string, master: string): void;
  /** An event of a room, decrypted: `{ type, sender, content, event_id, origin_server_ts }`. Give it all `m.room.message` and `m.key.verification.*`. */
  receiveRoomVerification(roomId: string, event: unknown): void;
}

export function verificationCalls(run: Run): VerificationCalls {
  const on = (id: string, work: (context: Context, row: VerificationRow) => VerificationRow): Verification =>
    run((context) => view(context, work(context, findActive(context, id))));
  return {
    verifications: () => run((context) => allVerifications(context).map((row) => view(context, row))),
    requestVerification: (userId, options) =>
      run((context) => view(context, requestVerification(context, userId, options ?? {}))),
    acceptVerification: (id, options) =>
      on(id, (context, row) => accept(context, row, options?.scan ?? false)),
    startSas: (id) => on(id, start),
    verificationQr: (id) => run((context) => show(context, findActive(context, id))),
    scanVerificationQr: (id, bytes) => on(id, (context, row) => scan(context, row, bytes)),
    confirmVerification: (id) => on(id, confirm),
    mismatchVerification: (id) => on(id, mismatch),
    cancelVerification: (id) =>
      on(id, (context, row) => advance(context, row, cancelled("m.user", "It was cancelled here."))),
    trustMaster: (userId, master) => run((context) => trustMaster(context, userId, master)),
    receiveRoomVerification: (roomId, event) =>
      run((context) => receiveRoomVerification(context, roomId, event)),
  };
}

function findActive(context: Context, id: string): VerificationRow {
  const row = context.rows.get("verification", "", id);
  if (row !== null && !isOver(row)) return row;
  throw new MachineError(
    "UNKNOWN_VERIFICATION",
    row === null
      ? "encryption machine: there is no verification of that number"
      : `encryption machine: verification ${id} is over (${row.state.kind}); begin a new one`,
  );
}

function accept(context: Context, row: VerificationRow, scanning: boolean): VerificationRow {
  const { state } = row;
  if (state.kind === "requested" && !row.ours) return acceptRequest(context, row, scanning);
  if (state.kind === "sas-start" && !state.ours) {
    return advance(context, row, acceptSas(context, row, state.start));
  }
  throw wrongPhase(row, "a request of theirs");
}

function start(context: Context, row: VerificationRow): VerificationRow {
  if (row.state.kind !== "ready" || !row.theirMethods.includes(SAS_METHOD)) {
    throw wrongPhase(row, "one that is ready, with SAS among their methods");
  }
  return advance(context, row, startSas(context, row));
}

function show(context: Context, row: VerificationRow): Uint8Array | null {
  if (row.state.kind !== "ready" || !canShow(row)) {
    throw wrongPhase(row, "one that is ready, with scanning among their methods");
  }
  const shown = showQr(context, row, row.state);
  if (shown === null) return null;
  putVerification(context, { ...row, state: shown.state });
  return shown.bytes;
}

function scan(context: Context, row: VerificationRow, bytes: Uint8Array): VerificationRow {
  if (row.state.kind !== "ready" || !canScan(row)) {
    throw wrongPhase(row, "one that is ready, with a code of theirs and scanning among our methods");
  }
  return advance(context, row, scanQr(context, row, bytes));
}

function confirm(context: Context, row: VerificationRow): VerificationRow {
  if (row.state.kind === "sas-compare") return advance(context, row, confirmSas(context, row, row.state));
  if (row.state.kind === "qr-scanned") return advance(context, row, confirmScanned(context, row, row.state));
  throw wrongPhase(row, "one with something to compare");
}

function mismatch(context: Context, row: VerificationRow): VerificationRow {
  if (row.state.kind !== "sas-compare") throw wrongPhase(row, "one with something to compare");
  return advance(context, row, cancelled("m.mismatched_sas", "The strings do not match."));
}

function wrongPhase({ id, state }: VerificationRow, expected: string): MachineError {
  return new MachineError(
    "WRONG_PHASE",
    `encryption machine: verification ${id}: expected ${expected}, found ${state.kind}`,
  );
}

function view(context: Context, row: VerificationRow): Verification {
  const { id, userId, deviceId, roomId, ours, createdAtMs, untilMs } = row;
  return { id, userId, deviceId, roomId, ours, createdAtMs, untilMs, ...phaseOf(context, row) };
}

function phaseOf(context: Context, row: VerificationRow): VerificationPhase {
  const { state } = row;
  switch (state.kind) {
    case "requested":
      return { phase: row.ours ? "waiting" : "asked" };
    case "sas-start":
      return { phase: state.ours ? "waiting" : "asked" };
    case "ready": {
      const sas = row.theirMethods.includes(SAS_METHOD);
      return { phase: "ready", sas, showsQr: canShow(row), scansQr: canScan(row) };
    }
    case "sas-compare": {
      const { emoji, decimals } = sasStrings(context, row, state);
      const named = emoji?.map((number, i) => ({
        number,
        ...(sasEmoji(emoji)[i] ?? { emoji: "", name: "" }),
      }));
      return { phase: "compare", emoji: named ?? null, decimals };
    }
    case "qr-scanned":
      return { phase: "scanned" };
    case "sas-accept":
    case "sas-mac":
    case "qr-reciprocated":
    case "finishing":
      return { phase: "waiting" };
    case "done":
      return { phase: "done", verified: state.verified };
    case "cancelled":
      return { phase: "cancelled", code: state.code, reason: state.reason, byUs: state.byUs };
  }
}
