// A verification as it is kept: who with, over what, and a tagged union of what it is at (Client-Server API, "Device verification").
//
//   requested -> ready -> sas-start -> sas-accept -> sas-compare -> sas-mac -+
//                  |   (they show the same emoji)                            +-> finishing -> done
//                  +-> qr-scanned | qr-reciprocated -------------------------+
//   any of them -> cancelled
import type { SasMacMethod } from "../../sas.ts";
import type { JsonObject } from "../../shape.ts";

export const SAS_METHOD = "m.sas.v1";
export const SHOW_METHOD = "m.qr_code.show.v1";
export const SCAN_METHOD = "m.qr_code.scan.v1";
export const RECIPROCATE_METHOD = "m.reciprocate.v1";

/** Specification: "m.key.verification.cancel", the codes. */
export type CancelCode =
  | "m.user"
  | "m.timeout"
  | "m.unknown_transaction"
  | "m.unknown_method"
  | "m.unexpected_message"
  | "m.key_mismatch"
  | "m.user_mismatch"
  | "m.invalid_message"
  | "m.accepted"
  | "m.mismatched_commitment"
  | "m.mismatched_sas";

/** What the start settled, and our half of the key agreement. */
export interface SasBasis {
  /** The content of the start that counts, as it was sent. */
  readonly start: JsonObject;
  /** We sent it. */
  readonly ours: boolean;
}

export interface SasKeys extends SasBasis {
  /** Secret. Our ephemeral key, unpadded base64. */
  readonly secret: string;
  readonly macMethod: SasMacMethod;
  /** What both sides can show: `decimal`, `emoji`. */
  readonly strings: readonly string[];
}

export interface SasShared extends SasKeys {
  readonly theirKey: string;
}

/** What a QR code of ours said, or theirs did; keys are unpadded base64. */
export interface QrTarget {
  readonly mode: "other_user" | "self_trusting" | "self_untrusting";
  /** What success makes trusted: this master key, or this device key, which is the other side's. */
  readonly trusts: { readonly kind: "master" | "device"; readonly key: string };
}

/** What a verification made trusted. */
export interface Verified {
  readonly master: string | null;
  readonly deviceId: string | null;
}

export type VerificationState =
  /** Waiting for `ready`: theirs, or ours (`accept`). */
  | { readonly kind: "requested" }
  | { readonly kind: "ready"; readonly qr: (QrTarget & { readonly secret: string }) | null }
  /** A start is under way. `ours` false: it came without a request, and waits for `accept`. */
  | ({ readonly kind: "sas-start" } & SasBasis)
  /** Waiting for their key. `commitment`: to it, where they sent one. */
  | ({ readonly kind: "sas-accept"; readonly commitment: string | null } & SasKeys)
  /** People compare. Their MAC may be there already. */
  | ({ readonly kind: "sas-compare"; readonly theirMac: JsonObject | null } & SasShared)
  /** Ours match; waiting for their MAC. */
  | ({ readonly kind: "sas-mac" } & SasShared)
  /** They scanned our code; waiting for our word that they did. */
  | { readonly kind: "qr-scanned"; readonly target: QrTarget; readonly theirDone: boolean }
  /** We scanned theirs; waiting for their word. */
  | { readonly kind: "qr-reciprocated"; readonly target: QrTarget }
  /** Verified; waiting for their `done`. */
  | { readonly kind: "finishing"; readonly verified: Verified }
  | { readonly kind: "done"; readonly verified: Verified }
  | { readonly kind: "cancelled"; readonly code: string; readonly reason: string; readonly byUs: boolean };

/** Group "", item: a number of ours. The row of an unfinished one is secret. */
export interface VerificationRow {
  readonly id: string;
  readonly userId: string;
  /** The other device; null while several were asked. */
  readonly deviceId: string | null;
  /** The devices that were asked, while it is not known which one answers. */
  readonly asked: readonly string[];
  /** Null: over to-device messages. */
  readonly roomId: string | null;
  /** The transaction ID, or the request's event ID; empty until the server has given it. */
  readonly flowId: string;
  /** We made the request. */
  readonly ours: boolean;
  /** It began with their start, no request before: such clients say no `done` at its end. */
  readonly bare?: true;
  readonly ourMethods: readonly string[];
  readonly theirMethods: readonly string[];
  readonly createdAtMs: number;
  /** When it ends by itself; counted from its last message. */
  readonly untilMs: number;
  readonly state: VerificationState;
}

export function cancelled(code: CancelCode, reason: string): VerificationState {
  return { kind: "cancelled", code, reason, byUs: true };
}

export function isOver({ state }: VerificationRow): boolean {
  return state.kind === "done" || state.kind === "cancelled";
}
