// Finds a store that runs twice, or an old one that was put back (DESIGN 3), before anything of ours reaches the homeserver. Begin here.
//
//   first request of anybody --> board? --> GET mark, judge --> new mark: durable, PUT --> the request          refused: nothing is ever sent
//   while it runs: each hour a new mark;   a foreign mark in the sync --> insist (it started later, it stops), with ratchets renewed
//
// It stands in the session, where every request passes: a server that cannot be reached for the mark is one that cannot be reached.

import { doubtAll } from "#agent/delivery/outbox.ts";
import { renewRatchets } from "#agent/encryption/ratchets.ts";
import { CliError, EXIT } from "#agent/exit.ts";
import { pathOf } from "#agent/matrix/call.ts";
import { asObject, field } from "#agent/matrix/json.ts";
import type { Session } from "#agent/matrix/session.ts";
import { type MatrixClient, MatrixError, type SyncBatch, type SyncConsumer } from "#agent/matrix/types.ts";
import type { Runtime } from "#agent/runtime.ts";
import type { Store } from "#agent/store/store.ts";
import { NONCE_BYTES, OBJECTIONS_MAX, RAISE_EVERY_MS } from "./limits.ts";
import {
  type CopyKind,
  encodeMark,
  type Here,
  isForeign,
  isOtherBoard,
  judge,
  type Mark,
  parseMark,
  type SeenMark,
} from "./mark.ts";
import { beginMarks, confirmPending, type OwnRow, readMarks, writeBoard, writePending } from "./tables.ts";
import { copyText } from "./words.ts";

export interface CopiesOptions {
  readonly session: Session;
  /** Of that session. */
  readonly client: Pick<MatrixClient, "request">;
  readonly store: Store;
  readonly runtime: Runtime;
  readonly namespace: string;
  /** What tells this board from another; null: nothing does. */
  readonly board: string | null;
  readonly bootId: string;
  /** A copy was found: nothing may go on. */
  readonly fatal: (error: unknown) => void;
}

const TAIL_LOST =
  "the homeserver has seen a newer state of this store, from this board before it started anew: the disk does not keep what it says is written. Keys in use are renewed, and what waits is looked for before it is sent; replace the card";

const SERVER_BEHIND =
  "the homeserver has an older mark of this store than it took before: its own data was put back. The agent goes on";

const INSISTS =
  "another agent was started with a copy of this store: it is told to stop, and keys in use are renewed. Give it a device of its own (`petrel device reset --keep-old` there)";

export class Copies implements SyncConsumer {
  readonly #options: CopiesOptions;
  readonly #type: string;
  readonly #path: string;
  #passing: Promise<void> | null = null;
  #refusal: MatrixError | null = null;
  #foreign: SeenMark | null = null;
  #turn: Promise<void> = Promise.resolve();
  #objections = 0;
  #stopped = false;
  #cancelTimer: (() => void) | null = null;

  constructor(options: CopiesOptions) {
    this.#options = options;
    const { namespace, session } = options;
    this.#type = `${namespace}.store.${session.deviceId}`;
    this.#path = pathOf("/_matrix/client/v3/user", session.userId, "account_data", this.#type);
  }

  /** The session for everybody else: its first request waits for the look at the mark. */
  guarded(): Session {
    const { session } = this.#options;
    return {
      ...session,
      authorised: async (request) => {
        await this.#passed();
        return session.authorised(request);
      },
      verify: async (signal) => {
        await this.#passed();
        return session.verify(signal);
      },
    };
  }

  apply(batch: SyncBatch): void {
    for (const event of batch.accountData) {
      const content = asObject(field(event, "content"));
      if (field(event, "type") !== this.#type || content === null) continue;
      this.#foreign = parseMark(content);
    }
  }

  committed(): void {
    const seen = this.#foreign;
    this.#foreign = null;
    if (seen !== null) this.#inTurn(() => this.#answer(seen));
  }

  stop(): void {
    this.#stopped = true;
    this.#cancelTimer?.();
  }

  #passed(): Promise<void> {
    if (this.#refusal !== null) return Promise.reject(this.#refusal);
    this.#passing ??= this.#check().catch((error: unknown) => {
      this.#passing = null;
      throw error;
    });
    return this.#passing;
  }

  /** One at a time; what fails is tried again at the next raise. */
  #inTurn(work: () => Promise<void>): void {
    this.#turn = this.#turn.then(work).catch((error: unknown) => {
      if (!this.#stopped && !(error instanceof MatrixError))
        this.#options.runtime.log.error({ error: String(error) }, "the store's mark could not be renewed");
    });
  }

  async #check(): Promise<void> {
    const { log } = this.#options.runtime;
    const own = await this.#own();
    const here = this.#here(own);
    if (isOtherBoard(own, here)) this.#refuse("board");
    const seen = await this.#look();
    const verdict = judge(own, seen, here);
    if (verdict.kind === "copy") this.#refuse(verdict.copy);
    if (verdict.kind === "server-behind") log.warn({}, SERVER_BEHIND);
    if (verdict.kind === "tail-lost") {
      log.error({}, TAIL_LOST);
      await this.#renew(true);
    }
    await this.#raise(seen, null);
    this.#arm();
  }

  #refuse(kind: CopyKind): never {
    const text = copyText(kind);
    this.#refusal = new MatrixError("aborted", text);
    this.stop();
    this.#options.fatal(new CliError(EXIT.copy, text));
    throw this.#refusal;
  }

  /** The row of this device; a new one where the session is another device's than before. */
  async #own(): Promise<OwnRow> {
    const { runtime, session, store } = this.#options;
    const own = await store.transaction((database) => {
      const row = readMarks(database, store.vault);
      if (row?.deviceId === session.deviceId) return row;
      beginMarks(database, store.vault, runtime.random, session.deviceId);
      return readMarks(database, store.vault);
    });
    if (own === null) throw new Error("store mark: the row that was just made is not there");
    return own;
  }

  #here({ hash }: OwnRow): Here {
    const { board, bootId } = this.#options;
    return { board: board === null ? null : hash(`board ${board}`), boot: hash(`boot ${bootId}`) };
  }

  /** What the server has; null: nothing of ours. One that keeps no account data tells nothing, and cannot be asked. */
  async #look(): Promise<SeenMark | null> {
    try {
      return parseMark(await this.#options.client.request("GET", this.#path));
    } catch (error) {
      if (error instanceof MatrixError && error.kind === "refused") return null;
      throw error;
    }
  }

  async #renew(all: boolean): Promise<void> {
    await this.#options.store.transaction((database) => {
      renewRatchets(database);
      if (all) doubtAll(database);
    });
  }

  /** The next mark: the one that may have reached the server already, or a new one above all that is known. */
  async #raise(seen: SeenMark | null, objectsTo: string | null): Promise<void> {
    const { client, runtime, store } = this.#options;
    const own = await this.#own();
    const here = this.#here(own);
    const { confirmed, pending } = own;
    const isOpen = pending !== null && pending.nonce !== confirmed?.nonce && pending.nonce !== seen?.nonce;
    const counts = [seen?.count ?? 0, confirmed?.count ?? 0, pending?.count ?? 0];
    const nonce = Buffer.from(runtime.random(NONCE_BYTES)).toString("base64url");
    const mark: Mark = isOpen && objectsTo === null ? pending : { count: Math.max(...counts) + 1, nonce };
    await store.transaction((database) => {
      // What the server has is ours: it was the pending one.
      if (seen !== null && seen.nonce === pending?.nonce) confirmPending(database);
      writePending(database, mark);
      writeBoard(database, here.board);
    });
    await store.durable();
    try {
      await client.request("PUT", this.#path, { body: encodeMark(mark, here, objectsTo) });
    } catch (error) {
      if (!(error instanceof MatrixError) || error.kind !== "refused") throw error;
      runtime.log.warn({ errcode: error.errcode }, `no mark of this store is kept: ${error.message}`);
      return;
    }
    await store.transaction(confirmPending);
  }

  #arm(): void {
    if (this.#stopped) return;
    this.#cancelTimer = this.#options.runtime.timers.after(RAISE_EVERY_MS, () => {
      this.#inTurn(() => this.#raise(null, null));
      this.#arm();
    });
  }

  /** A mark came with the sync. */
  async #answer(seen: SeenMark): Promise<void> {
    if (this.#stopped) return;
    const own = await this.#own();
    if (!isForeign(own, seen)) return;
    const isMeant =
      seen.objectsTo !== null && [own.confirmed?.nonce, own.pending?.nonce].includes(seen.objectsTo);
    this.#objections += 1;
    if (isMeant || this.#objections > OBJECTIONS_MAX) this.#refuse("later");
    this.#options.runtime.log.error({}, INSISTS);
    await this.#renew(false);
    await this.#raise(seen, seen.nonce);
  }
}
