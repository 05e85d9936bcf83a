// The mark that a store leaves with its homeserver (account data `dev.petrel.store.<device>`), and what it means to find another one there. Pure.
//
//   store: confirmed 5 "a", pending 6 "b"          server: 5 "a" or 6 "b": ours, whatever was cut off in between (power, network, answer)
//                                                  server: 6 "x": raised by somebody who had this store
//
// A mark is written down here, durable, before it is sent: a power cut at any moment leaves the server with one of the two that this store knows. Only a disk
// that loses what it has confirmed can lose it: then the same board, after another boot, finds the server one step ahead. That is no copy: it goes on, with
// ratchets that were never used.
import { asInteger, asString, field } from "#agent/matrix/json.ts";
import type { JsonObject } from "#agent/matrix/types.ts";

export interface Mark {
  readonly count: number;
  /** Random: two copies that raise the same count leave different marks. */
  readonly nonce: string;
}

/** As the server has it. Board and boot are hashes that only this store and its copies can compare. */
export interface SeenMark extends Mark {
  readonly board: string | null;
  readonly boot: string | null;
  /** The mark of a copy that shall stop, since another one ran before it. */
  readonly objectsTo: string | null;
}

export interface OwnMarks {
  /** What the server is known to have taken; null: nothing yet. */
  readonly confirmed: Mark | null;
  /** What may have reached it. */
  readonly pending: Mark | null;
  readonly board: string | null;
}

export interface Here {
  readonly board: string | null;
  readonly boot: string;
}

/** How a copy shows: put back on this board, run elsewhere, or one of the two where no board is known. */
export type CopyKind = "board" | "put-back" | "elsewhere" | "either" | "later";

export type Verdict =
  /** The server has our mark, or none, or an older one (then its own data was put back). */
  | { readonly kind: "ours" | "none" | "server-behind" }
  /** This board's last boot wrote it, and its disk does not know. */
  | { readonly kind: "tail-lost" }
  | { readonly kind: "copy"; readonly copy: CopyKind };

/** Whether the store was last used on another board: known without the server. */
export const isOtherBoard = ({ board }: Pick<OwnMarks, "board">, here: Here): boolean =>
  board !== null && here.board !== null && board !== here.board;

const isKnown = ({ confirmed, pending }: OwnMarks, { nonce }: Mark): boolean =>
  nonce === confirmed?.nonce || nonce === pending?.nonce;

const copyKindOf = (seen: SeenMark, here: Here): CopyKind => {
  if (seen.board === null || here.board === null) return "either";
  return seen.board === here.board ? "put-back" : "elsewhere";
};

export const judge = (own: OwnMarks, seen: SeenMark | null, here: Here): Verdict => {
  // A new store under an old device's name has nothing that a copy could share.
  if (seen === null || (own.confirmed === null && own.pending === null)) return { kind: "none" };
  if (isKnown(own, seen)) return { kind: "ours" };
  const last = own.confirmed?.count ?? 0;
  if (seen.count < last) return { kind: "server-behind" };
  const isSameBoard = here.board !== null && seen.board === here.board;
  if (seen.count === last + 1 && isSameBoard && seen.boot !== null && seen.boot !== here.boot)
    return { kind: "tail-lost" };
  return { kind: "copy", copy: copyKindOf(seen, here) };
};

/** While we run: somebody else's mark is newer than ours, or older news of our own. */
export const isForeign = (own: OwnMarks, seen: SeenMark): boolean =>
  !isKnown(own, seen) && seen.count >= (own.confirmed?.count ?? 0);

export const encodeMark = (mark: Mark, here: Here, objectsTo: string | null): JsonObject => ({
  v: 1,
  count: mark.count,
  nonce: mark.nonce,
  boot: here.boot,
  ...(here.board === null ? {} : { board: here.board }),
  ...(objectsTo === null ? {} : { objects_to: objectsTo }),
});

/** Null: not what an agent wrote. */
export const parseMark = (content: JsonObject): SeenMark | null => {
  const count = asInteger(field(content, "count"));
  const nonce = asString(field(content, "nonce"));
  if (field(content, "v") !== 1 || count === null || count < 0 || nonce === null) return null;
  return {
    count,
    nonce,
    board: asString(field(content, "board")),
    boot: asString(field(content, "boot")),
    objectsTo: asString(field(content, "objects_to")),
  };
};
