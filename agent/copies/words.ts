// What a person reads when a copy was found: what was seen, what it means, what to do.
import type { CopyKind } from "./mark.ts";

const WHY = "Two that run with one store would use the same keys for different messages, so nothing is sent.";

const RESET =
  "`petrel device reset` makes this one a device of its own and says beforehand what is lost; what was not delivered is kept";

const FOUND: Readonly<Record<CopyKind, string>> = {
  board:
    "this store was last used on another board (its serial number differs): the card or disk was moved here, or it is a copy of one that is in use elsewhere.",
  "put-back":
    "the homeserver has seen a newer state of this store, from this board: an old copy was put back (a backup, an image), or a copy of the state folder ran here.",
  elsewhere:
    "the homeserver has seen a newer state of this store, from another board: this is a copy of a store that is in use there (an image written twice).",
  either:
    "the homeserver has seen a newer state of this store: an old copy was put back (a backup, an image), or another copy of it has run since.",
  later:
    "another agent that was started earlier runs with a copy of this store, and insists: this one is the copy.",
};

const TODO: Readonly<Record<CopyKind, string>> = {
  board: `If it was moved on purpose and the old board is out of use: \`petrel device moved --yes\`. If the other board goes on: \`petrel device reset --keep-old\`. ${RESET}.`,
  "put-back": `${RESET}.`,
  elsewhere: `If the other one goes on: \`petrel device reset --keep-old\`. ${RESET}.`,
  either: `If another one goes on with it: \`petrel device reset --keep-old\`. ${RESET}.`,
  later: `To let both run: \`petrel device reset --keep-old\` here. ${RESET}.`,
};

export const copyText = (kind: CopyKind): string => `${FOUND[kind]} ${WHY} ${TODO[kind]}`;
