// Rows about room keys that pass between devices other than from their maker: key requests and their answers, bundles of history (store.ts says what a row is).
import type { JsonObject } from "../../shape.ts";

/** A session that we asked our other devices for. Group "", item: room ID and session ID as a JSON list. */
export interface KeyRequestRow {
  /** Of the request, for its cancellation. */
  readonly id: string;
  readonly atMs: number;
  /** Those that were asked: nobody else's answer is taken. */
  readonly devices: readonly string[];
}

/** A session that another device of ours asks for. Group "", item: its ID and the request's as a JSON list. */
export interface KeyAnswerRow {
  readonly id: string;
  readonly deviceId: string;
  readonly roomId: string;
  readonly sessionId: string;
  readonly atMs: number;
}

/** A bundle of history that somebody told us of. Group "", item: room ID and sender as a JSON list. The file holds a key. */
export interface BundleRow {
  /** `EncryptedFile`, unread. */
  readonly file: JsonObject;
  /** Of the device that said so. */
  readonly curve25519: string;
  readonly ed25519: string;
  readonly atMs: number;
}

/** A room that we joined, whose inviter's bundle is waited for. Group "", item: room ID. */
export interface HistoryExpectedRow {
  readonly inviter: string;
  readonly atMs: number;
}

/** Table to row. */
export interface SharingRows {
  readonly bundle: BundleRow;
  readonly historyExpected: HistoryExpectedRow;
  readonly keyRequest: KeyRequestRow;
  readonly keyAnswer: KeyAnswerRow;
}
