// What the sender counts, since the process began: for metrics and for tests.
import type { MatrixErrorKind } from "#agent/matrix/types.ts";
import { LANES, type Lane } from "./lanes.ts";

export interface LaneCounts {
  readonly sent: number;
  readonly attempts: number;
  /** Attempts of events that had been tried before. */
  readonly retries: number;
}

export interface SendTotals {
  readonly sent: number;
  readonly attempts: number;
  readonly found: number;
}

export class SendCounters {
  readonly #lanes = new Map<Lane, { sent: number; attempts: number; retries: number }>(
    LANES.map((lane) => [lane, { sent: 0, attempts: 0, retries: 0 }]),
  );
  readonly #failures = new Map<MatrixErrorKind, number>();
  /** Attempts whose answer was lost and which were found in the room. */
  found = 0;
  /** Events that were set aside. */
  buried = 0;

  attempted(lane: Lane, before: number): void {
    const counts = this.#of(lane);
    counts.attempts += 1;
    if (before > 0) counts.retries += 1;
  }

  sent(lane: Lane): void {
    this.#of(lane).sent += 1;
  }

  failed(kind: MatrixErrorKind): void {
    this.#failures.set(kind, (this.#failures.get(kind) ?? 0) + 1);
  }

  lanes(): ReadonlyMap<Lane, LaneCounts> {
    return this.#lanes;
  }

  /** Searches, preparations and attempts that failed, by what the error was. */
  failures(): ReadonlyMap<MatrixErrorKind, number> {
    return this.#failures;
  }

  totals(): SendTotals {
    let [sent, attempts] = [0, 0];
    for (const lane of this.#lanes.values()) {
      sent += lane.sent;
      attempts += lane.attempts;
    }
    return { sent, attempts, found: this.found };
  }

  #of(lane: Lane): { sent: number; attempts: number; retries: number } {
    const counts = this.#lanes.get(lane) ?? { sent: 0, attempts: 0, retries: 0 };
    this.#lanes.set(lane, counts);
    return counts;
  }
}
