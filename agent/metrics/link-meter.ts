// What is counted of the link to the homeserver, across logins and reconnections: the sync loop's answers and failures.
import type { SyncState } from "#agent/matrix/sync.ts";
import type { SyncConsumer } from "#agent/matrix/types.ts";
import type { Clock } from "#agent/runtime.ts";

export class LinkMeter {
  readonly #clock: Pick<Clock, "monoMs">;
  syncState: SyncState["state"] = "connecting";
  syncAnswers = 0;
  syncFailures = 0;
  lastAnswerMono: number | null = null;

  constructor(clock: Pick<Clock, "monoMs">) {
    this.#clock = clock;
  }

  /** One of the sync's consumers: it looks at nothing, it counts. */
  readonly consumer: SyncConsumer = {
    apply: () => undefined,
    committed: () => {
      this.syncAnswers += 1;
      this.lastAnswerMono = this.#clock.monoMs();
    },
  };

  /** Told at each change and each failed try. */
  sync({ state }: SyncState): void {
    this.syncState = state;
    if (state === "offline") this.syncFailures += 1;
  }
}
