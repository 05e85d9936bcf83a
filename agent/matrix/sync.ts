// The sync loop (Client-Server API, "Syncing"): asks, fills gaps, and stores the position in the same transaction as what it brought.
//
//   /sync --> buildBatch --> transaction { every consumer's apply, events seen, next_batch } --> durable --> committed --> /sync with the new position
//
// The next request is what tells the server that to-device messages may be deleted: it goes out only after `durable()`.
import { pause, type Runtime } from "#agent/runtime.ts";
import { type Store, StoreError } from "#agent/store/store.ts";
import { buildBatch } from "./batch.ts";
import type { Http } from "./http.ts";
import {
  EMPTY_POLL_PAUSE_MS,
  EMPTY_POLLS_MAX,
  LONG_POLL_MS,
  RETRY_MAX_MS,
  STORE_BUSY_PAUSE_MS,
} from "./limits.ts";
import { type Position, readPosition, writePosition } from "./position.ts";
import { retryDelayMs } from "./retry.ts";
import { markSeen, readSeen, type Seen } from "./seen.ts";
import type { Session } from "./session.ts";
import { filterBody, messagesFilter, type SyncFilter } from "./sync-filter.ts";
import { askSync, uploadFilter } from "./sync-request.ts";
import {
  type JsonObject,
  type MatrixClient,
  MatrixError,
  type SyncBatch,
  type SyncConsumer,
  type SyncOpener,
} from "./types.ts";

/** What an operator sees of the link. */
export type SyncState =
  | { readonly state: "connecting" }
  | { readonly state: "online" }
  | { readonly state: "offline"; readonly reason: string; readonly retryInMs: number };

export interface SyncOptions {
  readonly runtime: Runtime;
  readonly store: Store;
  readonly client: Pick<MatrixClient, "request" | "userId" | "deviceId">;
  readonly session: Pick<Session, "verify">;
  readonly http: Pick<Http, "dropIdle">;
  readonly consumers: readonly SyncConsumer[];
  /** Where rooms are encrypted. */
  readonly opener?: SyncOpener;
  readonly filter?: SyncFilter;
  readonly signal: AbortSignal;
  /** Told when the state changes, and at each failed try. */
  readonly onState?: (state: SyncState) => void;
}

export interface Sync {
  /** Runs until the signal is aborted, then resolves. Rejects when it cannot go on: the server does not know us (kind "auth"), or a consumer or the store failed. */
  run(): Promise<void>;
  /** The network came back, or changed: whatever is waited for is given up and asked again at once. */
  poke(): void;
}

// What one turn of the loop hands to the next.
interface Progress {
  readonly position: Position;
  readonly verified: boolean;
  /** The server refused the uploaded filter: it goes along in full, until the next start. */
  readonly inline: boolean;
  /** False: the server is asked not to wait, since what lies there is wanted now, or to see whether the link is back. */
  readonly caughtUp: boolean;
  /** Tries that have failed since the last success. */
  readonly failures: number;
  /** Answers in a row without anything, a new position included. */
  readonly idleAnswers: number;
}

const canRecover = (error: unknown): error is MatrixError =>
  error instanceof MatrixError && error.kind !== "auth" && error.kind !== "local";

class SyncLoop implements Sync {
  readonly #options: SyncOptions;
  readonly #filter: JsonObject;
  readonly #seen: Seen;
  // Ends what this turn waits for.
  #turn = new AbortController();
  #online = false;

  constructor(options: SyncOptions) {
    this.#options = options;
    this.#filter = filterBody(options.filter ?? {});
    this.#seen = readSeen(options.store);
  }

  async run(): Promise<void> {
    const { signal, store, client } = this.#options;
    const stop = (): void => this.#turn.abort();
    signal.addEventListener("abort", stop, { once: true });
    this.#tell({ state: "connecting" });
    const position = readPosition(store, client, this.#filterText());
    const fresh = { verified: false, inline: false, caughtUp: false, failures: 0, idleAnswers: 0 };
    let progress: Progress = { ...fresh, position };
    try {
      while (!signal.aborted) progress = await this.#step(progress);
    } finally {
      signal.removeEventListener("abort", stop);
    }
  }

  poke(): void {
    this.#options.http.dropIdle();
    this.#turn.abort();
  }

  #filterText(): string {
    return JSON.stringify(this.#filter);
  }

  #tell(state: SyncState): void {
    this.#online = state.state === "online";
    this.#options.onState?.(state);
  }

  async #step(progress: Progress): Promise<Progress> {
    this.#turn = new AbortController();
    try {
      if (progress.idleAnswers > EMPTY_POLLS_MAX) await this.#pause(EMPTY_POLL_PAUSE_MS);
      return await this.#advance(await this.#prepare(progress));
    } catch (error) {
      if (error instanceof StoreError && error.code === "BUSY") return this.#busyStore(progress);
      if (!canRecover(error)) throw error;
      return this.#recover(progress, error);
    }
  }

  /** Too many transactions wait already: the position has not moved, so the same is asked for again. */
  async #busyStore(progress: Progress): Promise<Progress> {
    this.#options.runtime.log.warn(
      {},
      "sync: the store has too many transactions waiting; asking again later",
    );
    await this.#pause(STORE_BUSY_PAUSE_MS);
    return { ...progress, caughtUp: false };
  }

  #pause(delayMs: number): Promise<void> {
    return pause(this.#options.runtime.timers, delayMs, this.#turn.signal);
  }

  async #prepare(progress: Progress): Promise<Progress> {
    if (!progress.verified) await this.#options.session.verify(this.#turn.signal);
    const { position } = progress;
    if (position.filterId !== null || progress.inline) return { ...progress, verified: true };
    const filterId = await uploadFilter(this.#options.client, this.#filter, this.#turn.signal);
    return { ...progress, verified: true, inline: filterId === null, position: { ...position, filterId } };
  }

  async #advance(progress: Progress): Promise<Progress> {
    const { client, filter } = this.#options;
    const { since, filterId } = progress.position;
    const { signal } = this.#turn;
    const waitMs = progress.caughtUp ? LONG_POLL_MS : 0;
    const answer = await askSync(client, { since, filter: filterId ?? this.#filterText(), waitMs, signal });
    const context = {
      client,
      userId: client.userId,
      seen: this.#seen,
      filter: messagesFilter(filter ?? {}),
      signal,
    };
    const { batch, repeated } = await buildBatch(
      { ...context, attempt: progress.failures + 1 },
      answer,
      since,
    );
    if (since !== null && repeated > 0) this.#noteRepeats(repeated);
    const position = await this.#commit(progress.position, batch);
    if (!this.#online) this.#tell({ state: "online" });
    // Whatever it says: a server that moves no position would be asked again at once, for ever.
    const idle = position.since === since;
    return {
      ...progress,
      position,
      caughtUp: true,
      failures: 0,
      idleAnswers: idle ? progress.idleAnswers + 1 : 0,
    };
  }

  #noteRepeats(repeated: number): void {
    const text = "sync: the server gave events again that it had given before; they are left out";
    this.#options.runtime.log.warn({ repeated }, text);
  }

  async #commit(position: Position, batch: SyncBatch): Promise<Position> {
    const { store, consumers, client, opener } = this.#options;
    const delivered = new Map(
      [...batch.joined].map(([roomId, room]) => [roomId, room.timeline.map(({ event }) => event.eventId)]),
    );
    await opener?.rehearse?.(batch);
    const [next, opened] = await store.transaction((database) => {
      const readable = opener?.open(batch, database) ?? batch;
      for (const consumer of consumers) consumer.apply(readable, database);
      const seenSeq = markSeen(database, position.seenSeq, delivered);
      const moved = { since: batch.nextBatch, seenSeq, filterId: position.filterId };
      writePosition(database, client, this.#filterText(), moved);
      return [moved, readable] as const;
    });
    await store.durable();
    opener?.opened();
    for (const consumer of consumers) consumer.committed?.(opened);
    return next;
  }

  // A poke is no failure. Otherwise either something is changed and tried at once, or the same is tried later.
  async #recover(progress: Progress, error: MatrixError): Promise<Progress> {
    if (error.kind === "aborted") return { ...progress, failures: 0 };
    const changed = error.kind === "refused" ? this.#reset(progress, error) : null;
    if (changed !== null) return changed;
    const { runtime } = this.#options;
    const failures = progress.failures + 1;
    const retryInMs = retryDelayMs(error, failures, runtime.random) ?? RETRY_MAX_MS;
    if (failures === 1) runtime.log.warn({ kind: error.kind, retryInMs }, `sync: ${error.message}`);
    this.#tell({ state: "offline", reason: error.message, retryInMs });
    await this.#pause(retryInMs);
    return { ...progress, failures: this.#turn.signal.aborted ? 0 : failures, caughtUp: false };
  }

  // A 400 is about the filter (forgotten by the server) or the position (bad, or newer than a restored server's own): the filter is doubted first.
  #reset(progress: Progress, error: MatrixError): Progress | null {
    const { log } = this.#options.runtime;
    const { position } = progress;
    const { errcode } = error;
    if (error.status !== 400 && error.status !== 404) return null;
    if (position.filterId !== null) {
      log.info({ errcode }, "sync: refused; from now on the filter goes along in full");
      return { ...progress, inline: true, position: { ...position, filterId: null } };
    }
    if (position.since === null) return null;
    log.warn(
      { errcode },
      "sync: the server does not know our position; starting anew, without what was seen",
    );
    return { ...progress, caughtUp: false, position: { ...position, since: null } };
  }
}

export const createSync = (options: SyncOptions): Sync => new SyncLoop(options);
