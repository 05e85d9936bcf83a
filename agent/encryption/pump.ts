// Makes the machine's requests, one at a time, oldest first, each after the transaction that made it is durable; what fails waits by its kind.
//
//   outgoingRequests (transaction) -> durable() -> HTTP -> answer (transaction) -> again, until none is left or all that are left wait

import { retryDelayMs } from "#agent/matrix/retry.ts";
import { type JsonObject, type MatrixClient, MatrixError } from "#agent/matrix/types.ts";
import { pause, type Runtime } from "#agent/runtime.ts";
import { type Store, StoreError } from "#agent/store/store.ts";
import type { Answer, Request, RequestHead, RequestKind } from "#crypto/machine/requests.ts";
import { type Access, fromCrypto } from "./access.ts";
import { LOOK_EVERY_MS, REFUSED_RETRY_MS, ROOM_EVENT_LOOK_MS } from "./limits.ts";
import { forgetAnswered } from "./outside-requests.ts";

export interface PumpHooks {
  /** `auth` for a server's challenge; null where nobody can answer it now. */
  auth(challenge: JsonObject): JsonObject | null;
  /** An event for a room. Its event ID once it is there, null before: then `kick` when that may have changed. */
  roomEvent(request: Request): Promise<string | null>;
  /** An answer was taken. */
  answered(kind: RequestKind): void;
  /** The store failed. */
  fatal(error: unknown): void;
}

interface Wait {
  readonly failures: number;
  readonly untilMono: number;
}

export class Pump {
  readonly #access: Access;
  readonly #store: Store;
  readonly #client: Pick<MatrixClient, "request">;
  readonly #runtime: Runtime;
  readonly #hooks: PumpHooks;
  /** By kind, after failures that say nothing of the request; by ID, after a refusal. */
  readonly #waits = new Map<string, Wait>();
  #running: Promise<void> | null = null;
  #again = false;
  #stopped = false;
  #left = 0;
  #cancelTimer: (() => void) | null = null;

  constructor(
    access: Access,
    store: Store,
    client: Pick<MatrixClient, "request">,
    runtime: Runtime,
    hooks: PumpHooks,
  ) {
    this.#access = access;
    this.#store = store;
    this.#client = client;
    this.#runtime = runtime;
    this.#hooks = hooks;
  }

  /** Something may be due. Never rejects, never runs twice at a time. */
  kick(): void {
    if (this.#stopped) return;
    this.#again = true;
    this.#running ??= this.#run();
  }

  /** Resolves when what could be sent was sent; false if something is left that waits. */
  async settle(): Promise<boolean> {
    this.kick();
    await this.#running;
    return this.#left === 0;
  }

  /** The network is back. */
  retryNow(): void {
    this.#waits.clear();
    this.kick();
  }

  /** Requests that wait: for an operator. */
  left(): number {
    return this.#left;
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancelTimer?.();
    await this.#running;
  }

  async #run(): Promise<void> {
    try {
      while (this.#again && !this.#stopped) {
        this.#again = false;
        await this.#sendAll();
      }
    } catch (error) {
      const busy = error instanceof StoreError && error.code === "BUSY";
      if (!busy && !this.#stopped) this.#hooks.fatal(error);
    } finally {
      this.#running = null;
      this.#arm();
    }
  }

  async #sendAll(): Promise<void> {
    while (!this.#stopped) {
      const next = await this.#access.in((calls) => {
        const heads = calls.outgoingHeads();
        this.#left = heads.length;
        const head = heads.find((each) => !this.#isHeld(each));
        return head === undefined ? null : calls.request(head.id);
      });
      if (next === null) return;
      await this.#store.durable();
      await this.#make(next);
    }
  }

  #isHeld({ id, kind }: RequestHead): boolean {
    const now = this.#runtime.clock.monoMs();
    return [kind, id].some((name) => (this.#waits.get(name)?.untilMono ?? 0) > now);
  }

  #hold(name: string, delayMs: (failures: number) => number): void {
    const failures = (this.#waits.get(name)?.failures ?? 0) + 1;
    this.#waits.set(name, { failures, untilMono: this.#runtime.clock.monoMs() + delayMs(failures) });
  }

  #arm(): void {
    this.#cancelTimer?.();
    if (this.#stopped) return;
    const now = this.#runtime.clock.monoMs();
    const next = Math.min(
      LOOK_EVERY_MS,
      ...[...this.#waits.values()].map(({ untilMono }) => untilMono - now),
    );
    for (const [name, { untilMono }] of this.#waits)
      if (untilMono < now - LOOK_EVERY_MS) this.#waits.delete(name);
    this.#cancelTimer = this.#runtime.timers.after(Math.max(1, next), () => this.kick());
  }

  async #make(request: Request): Promise<void> {
    try {
      const body = await this.#call(request);
      // Nobody can answer it now: it waits for a person, or for the outbox.
      const delayMs = request.room === undefined ? REFUSED_RETRY_MS : ROOM_EVENT_LOOK_MS;
      if (body === null) this.#hold(request.id, () => delayMs);
      else await this.#answer(request, { ok: true, body });
    } catch (error) {
      if (!(error instanceof MatrixError)) throw error;
      await this.#failed(request, error);
    }
  }

  async #call(request: Request): Promise<JsonObject | null> {
    const { body, challenge, method, path, room } = request;
    if (room !== undefined) {
      const eventId = await this.#hooks.roomEvent(request);
      return eventId === null ? null : { event_id: eventId };
    }
    if (body === null) return this.#client.request(method, path);
    if (challenge === undefined) return this.#client.request(method, path, { body: fromCrypto(body) });
    const auth = this.#hooks.auth(fromCrypto(challenge));
    return auth === null ? null : this.#client.request(method, path, { body: { ...fromCrypto(body), auth } });
  }

  async #answer(request: Request, answer: Answer): Promise<void> {
    // In parts, a transaction each: the loop turns between two of them.
    for (let part: number | null = 0; part !== null; ) {
      const now: number = part;
      part = await this.#access.in((calls, database) => {
        // A rotation may have taken it back meanwhile.
        const isThere = calls.request(request.id) !== null;
        const next = isThere ? calls.answerPart(request.id, answer, now) : null;
        if (next === null) forgetAnswered(database, request);
        return next;
      });
      if (part === null) break;
      await pause(this.#runtime.timers, 0);
      // It is asked again after the next start.
      if (this.#stopped) return;
    }
    if (answer.ok) {
      this.#waits.delete(request.kind);
      this.#waits.delete(request.id);
    }
    this.#hooks.answered(request.kind);
  }

  async #failed(request: Request, error: MatrixError): Promise<void> {
    const { kind } = request;
    if (error.kind === "aborted" || error.kind === "auth") {
      this.#stopped = true;
      return;
    }
    const { log, random } = this.#runtime;
    log.debug({ kind, status: error.status }, `encryption: ${error.message}`);
    const says = error.kind === "refused" || (error.kind === "unavailable" && error.errcode !== null);
    if (says) await this.#answer(request, { ok: false, status: error.status, body: error.body });
    const slow = (failures: number): number => retryDelayMs(error, failures, random) ?? REFUSED_RETRY_MS;
    // A challenge is answered at once; whatever else was refused and is still there waits by itself.
    if (error.kind !== "refused") this.#hold(kind, slow);
    else if (request.challenge !== undefined || error.status !== 401) this.#hold(request.id, slow);
  }
}
