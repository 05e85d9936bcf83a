// One last will: an event that the server shall send when nothing was heard of us for a while. States:
//
//   none --schedule--> waiting(id) --restart--> waiting(id)      waiting --404 at a restart--> none: it was sent, or the server forgot it
//                      waiting --cancel--> none
import { type JsonObject, MatrixError } from "#agent/matrix/types.ts";
import type { DelayedEvents, Scheduled } from "./delayed-events.ts";
import { CANCEL_TIMEOUT_MS, LEFT_OVER_MAX } from "./limits.ts";

export interface WillOptions {
  readonly roomId: string;
  readonly type: string;
  /** What it would say, made when it is scheduled; null: nothing yet. */
  readonly content: () => JsonObject | null;
  /** Whether something that waits at the server is one of ours: left over by a process that was killed, or by an answer that got lost. */
  readonly isOurs: (content: JsonObject) => boolean;
  readonly newTxnId: () => string;
  readonly delayMs: number;
}

export type Kept = "waiting" | "fired" | "nothing";

/** A server that does not know the endpoint says nothing about the will. */
const isGone = (error: unknown): boolean =>
  error instanceof MatrixError &&
  error.errcode !== "M_UNRECOGNIZED" &&
  (error.status === 404 || error.status === 409);

export class Will {
  readonly #options: WillOptions;
  #id: string | null = null;

  constructor(options: WillOptions) {
    this.#options = options;
  }

  waits(): boolean {
    return this.#id !== null;
  }

  /** Puts it off once more. "fired": it was sent meanwhile; the next call schedules another. Rejects with what the server or the network said. */
  async keep(api: DelayedEvents): Promise<Kept> {
    if (this.#id === null) return this.#schedule(api);
    try {
      await api.act(this.#id, "restart");
      return "waiting";
    } catch (error) {
      if (!isGone(error)) throw error;
      this.#id = null;
      return "fired";
    }
  }

  /** Nothing shall be sent any more. What could not be cancelled waits still: ask again. */
  async cancel(api: DelayedEvents): Promise<void> {
    const id = this.#id;
    if (id === null) return;
    try {
      await api.act(id, "cancel", CANCEL_TIMEOUT_MS);
    } catch (error) {
      if (!isGone(error)) throw error;
    }
    this.#id = null;
  }

  /** Nothing of ours shall wait for this room, not even of a process before this one: it is encrypted, and they are in clear. */
  async withdraw(api: DelayedEvents): Promise<void> {
    await this.cancel(api);
    await this.#dropLeftOvers(api);
  }

  async #schedule(api: DelayedEvents): Promise<Kept> {
    const { content, delayMs, newTxnId, roomId, type } = this.#options;
    await this.#dropLeftOvers(api);
    const will = content();
    if (will === null) return "nothing";
    this.#id = await api.schedule(roomId, type, newTxnId(), will, Math.min(delayMs, api.delayMsMax));
    return "waiting";
  }

  /** Before each new one: two wills would not be put off together, and the forgotten one would tell of a death that is none. */
  async #dropLeftOvers(api: DelayedEvents): Promise<void> {
    const { isOurs, roomId, type } = this.#options;
    const mine = (one: Scheduled): boolean =>
      one.roomId === roomId && one.type === type && isOurs(one.content);
    for (const { id } of (await api.list()).filter(mine).slice(0, LEFT_OVER_MAX)) {
      try {
        await api.act(id, "cancel");
      } catch (error) {
        if (!isGone(error)) throw error;
      }
    }
  }
}
