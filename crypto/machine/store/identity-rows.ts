// Rows about our user rather than a room: secrets, cross-signing, verification, the key backup (store.ts says what a row is).
import type { JsonObject } from "../../shape.ts";
import type { VerificationRow } from "../verification/state.ts";

/** A secret of our user's. Group "", item: its name in secret storage (`m.cross_signing.master`, ...). The whole row is secret. */
export interface SecretRow {
  /** As secret storage and other devices write it: a key as unpadded base64. */
  readonly secret: string;
}

/** Making and uploading an identity of our own. One row: group "", item "". */
export interface CrossSigningRow {
  /** Somebody wants one made, if the server has none. */
  readonly wanted: boolean;
  /** The master key that we made, until the server took it. Its private halves are in `secret`. */
  readonly made: string | null;
  /** The master key that ours replaces because a person said so. */
  readonly replaces: string | null;
  /** What the server asks for before it takes our keys: the body of its 401. */
  readonly challenge: JsonObject | null;
  /** Why it does not take them. */
  readonly refusal: string | null;
  /** The server shows cross-signing keys of ours, whether they hold or not. */
  readonly shown: boolean;
  /** Our other devices are to be asked for what we lack, once one of them is verified. */
  readonly asksForSecrets: boolean;
  /** No signatures before this time. */
  readonly signNotBeforeMs: number;
}

/** A key that we confirmed and want to sign. Group "", item: user ID and device ID (null for a master key) as a JSON list. */
export interface SignatureRow {
  /** The Ed25519 key that was confirmed: nothing else under that name is signed. */
  readonly ed25519: string;
}

/** A piece of our user's account data that secret storage is made of. Group "", item: its type. */
export interface AccountDataRow {
  /** As the server has it; null: it has none. */
  readonly content: JsonObject | null;
}

/** A secret that we asked our devices for. Group "", item: the request's ID. */
export interface SecretRequestRow {
  readonly name: string;
  readonly atMs: number;
  readonly devices: readonly string[];
}

/** A secret that another device of ours asks for. Group "", item: its ID and the request's as a JSON list. */
export interface SecretAnswerRow {
  readonly name: string;
  readonly id: string;
  readonly deviceId: string;
  readonly atMs: number;
}

/** The key backup on the server, as last heard. One row: group "", item "". */
export interface BackupRow {
  /** Null: there is none. */
  readonly version: string | null;
  readonly publicKey: string | null;
  /** Of another algorithm, or not to be read. */
  readonly unreadable: boolean;
  /** Its key was signed by our identity or by a verified device of ours. */
  readonly signed: boolean;
  /** Sessions in it, as the server said. */
  readonly count: number | null;
  /** The server has to be asked again. */
  readonly stale: boolean;
  /** The versions that had our sessions before, until those are queued again. */
  readonly previous: readonly string[];
}

/** A session and the backup. Group `todo`, or `done` and a version; item: room ID and session ID as a JSON list. */
export interface BackedUpRow {
  /** From which message on it is in there; null in `todo`. */
  readonly firstIndex: number | null;
}

/** Table to row. */
export interface IdentityRows {
  readonly secret: SecretRow;
  readonly crossSigning: CrossSigningRow;
  readonly signature: SignatureRow;
  readonly verification: VerificationRow;
  readonly accountData: AccountDataRow;
  readonly secretRequest: SecretRequestRow;
  readonly secretAnswer: SecretAnswerRow;
  readonly backup: BackupRow;
  readonly backedUp: BackedUpRow;
}
