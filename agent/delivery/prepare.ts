// What stands between a row's turn and its PUT: in an encrypted room the event is encrypted now, not earlier (DESIGN 5), and the room key must have gone out
// before. The sender knows no encryption; whoever does is a `Preparer`.
//
//   row's turn -> prepare(row): keys shared? -> one transaction { wire(): ratchet, ciphertext in the row; attempt marked } -> durable -> PUT
import type { JsonObject } from "#agent/matrix/types.ts";
import type { Database } from "#agent/store/store.ts";
import type { OutboxRow } from "./outbox.ts";

/** What is sent: the row itself, or the `m.room.encrypted` that it became. */
export interface Wire {
  readonly type: string;
  readonly content: JsonObject;
}

export type Prepared =
  /**
   * `wire` runs in the transaction that marks the attempt: what it stores (ciphertext, the ratchet's next state) is stored with the mark or not
   * at all. Null: it cannot be done any more (somebody left meanwhile); prepare anew.
   */
  | { readonly kind: "ready"; wire(database: Database): Wire | null }
  /** Not now: the room waits. `reason`: for an operator. */
  | { readonly kind: "wait"; readonly delayMs: number; readonly reason: string };

export interface Preparer {
  /** May make requests. Rejects with a `MatrixError` when they fail: the row waits as after any failed look at the room. */
  prepare(row: OutboxRow): Promise<Prepared>;
}

/** Everything as it is: rooms that are not encrypted. */
export const inClear: Preparer = {
  prepare: ({ type, content }) => Promise.resolve({ kind: "ready", wire: () => ({ type, content }) }),
};
