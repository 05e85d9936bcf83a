// How many events the server lets us send, learned from its answers (429 and its `retry_after_ms`), and who may spend them. Pure: times are given.
//
//   unlimited --429--> limited { rate, tokens }      tokens grow with the rate up to the burst, an event takes one
//                      alarm spends to the last, the others leave a reserve: so an alarm in the middle of a backlog need not wait for a token
//
// The rate: events accepted between two 429s, by the time between them, since both came at an empty bucket; before the second, one event per wait that the
// server asked for. While none comes it is raised step by step, so that a limit that was lifted is found out.
import type { Lane } from "./lanes.ts";
import { BURST_MAX, RATE_MAX, RATE_MIN, RATE_PROBE_MS, RATE_STEP, RESERVES } from "./limits.ts";

interface Limited {
  /** Events a second. */
  rate: number;
  tokens: number;
  atMono: number;
  /** The last 429, and what was accepted since. */
  lastMono: number;
  accepted: number;
  raisedMono: number;
}

/** Null: no limit is known. */
export type BudgetView = { readonly tokens: number; readonly rate: number } | null;

const clamp = (rate: number): number => Math.min(RATE_MAX, Math.max(RATE_MIN, rate));

export class Budget {
  #limited: Limited | null = null;
  #lastLane: Lane | null = null;

  /** Milliseconds until an event of this lane may be sent; 0: now. */
  delayMs(lane: Lane, nowMono: number): number {
    const state = this.#at(nowMono);
    if (state === null) return 0;
    const missing = 1 + this.#reserve(lane) - state.tokens;
    return missing <= 0 ? 0 : Math.ceil((missing / state.rate) * 1000);
  }

  /** An event is sent. */
  spend(lane: Lane, nowMono: number): void {
    const state = this.#at(nowMono);
    this.#lastLane = lane;
    if (state !== null) state.tokens = Math.max(0, state.tokens - 1);
  }

  accepted(): void {
    if (this.#limited !== null) this.#limited.accepted += 1;
  }

  /** The server refused one for now and asked to wait; null: it did not say for how long. */
  limited(nowMono: number, retryAfterMs: number | null): void {
    const before = this.#at(nowMono);
    const asked = retryAfterMs === null || retryAfterMs <= 0 ? RATE_MIN : 1000 / retryAfterMs;
    const seconds = before === null ? 0 : (nowMono - before.lastMono) / 1000;
    // Two 429s in one breath measure nothing.
    const isMeasured = before !== null && before.accepted > 0 && seconds > 0;
    const measured = isMeasured ? before.accepted / seconds : Math.min(asked, before?.rate ?? asked);
    // We may have sent less than we could between the two: a refusal for another reason must not stop everything.
    const rate = clamp(Math.max(measured, Math.min(asked, before?.rate ?? asked) / 2));
    this.#limited = {
      rate,
      // When the wait is over the server has one again.
      tokens: 1 - (rate * (retryAfterMs ?? 0)) / 1000,
      atMono: nowMono,
      lastMono: nowMono,
      accepted: 0,
      raisedMono: nowMono,
    };
  }

  /** What an earlier process learned. It begins with the one token that may be there: the server's bucket may be empty still. */
  learned(rate: number, nowMono: number): void {
    if (this.#limited !== null || !(rate > 0)) return;
    const known = { rate: clamp(rate), tokens: 1, accepted: 0 };
    this.#limited = { ...known, atMono: nowMono, lastMono: nowMono, raisedMono: nowMono };
  }

  /** Events a second that the server is thought to take; null: no limit is known. */
  rate(): number | null {
    return this.#limited?.rate ?? null;
  }

  /** Tokens that are there, and events a second that the server is thought to take. */
  view(nowMono: number): BudgetView {
    const state = this.#at(nowMono);
    return state === null ? null : { tokens: state.tokens, rate: state.rate };
  }

  /** After a status message readings have the first chance: one that changes all the time must not take every token. */
  #reserve(lane: Lane): number {
    return lane === "state" && this.#lastLane === "state" ? RESERVES.bulk + 1 : RESERVES[lane];
  }

  /** The tokens as they are now, and a higher rate where nothing was refused for long. */
  #at(nowMono: number): Limited | null {
    const state = this.#limited;
    if (state === null) return null;
    state.tokens = Math.min(BURST_MAX, state.tokens + ((nowMono - state.atMono) / 1000) * state.rate);
    state.atMono = nowMono;
    if (nowMono - state.raisedMono >= RATE_PROBE_MS) {
      state.raisedMono = nowMono;
      state.rate *= RATE_STEP;
    }
    if (state.rate > RATE_MAX) this.#limited = null;
    return this.#limited;
  }
}
