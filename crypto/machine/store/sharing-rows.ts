// Rows about room keys that pass between devices other than from their maker: key requests and their answers, bundles of history (store.ts says what a row is).

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

/** Table to row. */
export interface SharingRows {
  readonly keyRequest: KeyRequestRow;
  readonly keyAnswer: KeyAnswerRow;
}
