// What the machine asks of the server, as plain values: the caller makes the call and gives the answer back under the request's ID.
// A request stays, unchanged and under the same ID, until it is answered; after a restart it is there again. So the caller may send it twice,
// never lose it; and transaction IDs are fixed before the first attempt.
import type { JsonObject } from "../shape.ts";

export const REQUEST_KINDS = [
  "keys-upload",
  "keys-query",
  "keys-changes",
  "keys-claim",
  "to-device",
  "cross-signing-upload",
  "signatures-upload",
  "room-event",
  "account-data-get",
  "account-data-put",
  "backup-version",
  "backup-create",
  "backup-upload",
] as const;
export type RequestKind = (typeof REQUEST_KINDS)[number];

/** A request without what it carries, which may be large. */
export type RequestHead = Pick<Request, "id" | "kind">;

export interface Request {
  /** For `answer`; unique in the life of the store. */
  readonly id: string;
  readonly kind: RequestKind;
  readonly method: "GET" | "POST" | "PUT";
  /** Below the homeserver's address, query included. */
  readonly path: string;
  /** Null for GET. */
  readonly body: JsonObject | null;
  /**
   * The server wants to know that a person is behind this (User-Interactive Authentication): the body of its 401. Send `{ ...body, auth }` with
   * `passwordAuth(challenge, ...)` of cross-signing/authentication.ts, or leave it until somebody can. Passwords never come in here.
   */
  readonly challenge?: JsonObject;
  /**
   * An event for a room, which goes the way of all events: encrypted where the room is, `body` being its content and `path` that of an unencrypted
   * one. Answer with what the server said to it, its `event_id` above all.
   */
  readonly room?: { readonly roomId: string; readonly type: string };
}

/**
 * What came back. `body` is whatever the server sent, read or not: it is checked here.
 * A call that got no answer at all is `{ ok: false, status: null, body: null }`.
 */
export type Answer =
  | { readonly ok: true; readonly body: unknown }
  | { readonly ok: false; readonly status: number | null; readonly body: unknown };
