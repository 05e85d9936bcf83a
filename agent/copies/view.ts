// What a store knows of its device and board, for `petrel device`, and the word of a person that it was moved.

import { CliError, EXIT } from "#agent/exit.ts";
import { readSession } from "#agent/matrix/session-table.ts";
import type { Store } from "#agent/store/store.ts";
import { readMarks, writeBoard } from "./tables.ts";

export interface DeviceView {
  readonly userId: string | null;
  readonly deviceId: string | null;
  /** On which board the store was last used, seen from this one. */
  readonly board: "same" | "other" | "unknown";
  /** How often the mark was raised; null: never. */
  readonly mark: number | null;
  readonly waiting: { readonly readings: number; readonly events: number };
}

const boardName = (board: string): string => `board ${board}`;

/** `board`: of this one, as board.ts tells it. */
export const deviceView = (store: Store, board: string | null): DeviceView => {
  const session = readSession(store);
  return store.read((database) => {
    const own = readMarks(database, store.vault);
    const count = (sql: string): number => Number(database.prepare(sql).get()?.["n"] ?? 0);
    const known = own?.board ?? null;
    const isSame = own !== null && board !== null && known === own.hash(boardName(board));
    return {
      userId: session?.granted?.userId ?? null,
      deviceId: session?.deviceId ?? null,
      board: known === null || board === null ? "unknown" : isSame ? "same" : "other",
      mark: own?.confirmed?.count ?? null,
      waiting: {
        readings: count("SELECT coalesce(sum(count), 0) AS n FROM journal_chunk"),
        events: count("SELECT count(*) AS n FROM outbox"),
      },
    };
  });
};

/** A person says that this board took the other one's place. */
export const moveHere = async (store: Store, board: string | null): Promise<void> => {
  if (board === null)
    throw new CliError(EXIT.failed, "this board tells no serial number: there is nothing to note");
  await store.transaction((database) => {
    const own = readMarks(database, store.vault);
    writeBoard(database, own === null ? null : own.hash(boardName(board)));
  });
  await store.durable();
};
