// The learned rate of events outlives the process, so that a start in the middle of a backlog does not begin with refusals. Written rarely: when a refusal
// has changed it by much, or a limit is gone; never per event, and never synced for its own sake.
import type { Database, Store } from "#agent/store/store.ts";
import type { Budget } from "./budget.ts";
import { RATE_STORED_STEP } from "./limits.ts";

const read = (database: Database): number | null => {
  const row = database.prepare("SELECT rate FROM outbox_rate").get();
  return typeof row?.["rate"] === "number" ? row["rate"] : null;
};

const isMuch = (stored: number | null, rate: number | null): boolean => {
  if (stored === null || rate === null) return stored !== rate;
  return rate / stored >= RATE_STORED_STEP || stored / rate >= RATE_STORED_STEP;
};

export class RateMemory {
  readonly #store: Store;
  readonly #budget: Budget;
  #stored: number | null;

  /** Tells the budget what is known from before. */
  constructor(store: Store, budget: Budget, nowMono: number) {
    this.#store = store;
    this.#budget = budget;
    this.#stored = store.read(read);
    if (this.#stored !== null) budget.learned(this.#stored, nowMono);
  }

  /** After a refusal, and whenever something was accepted: cheap where nothing has changed. */
  async keep(): Promise<void> {
    const rate = this.#budget.rate();
    if (!isMuch(this.#stored, rate)) return;
    this.#stored = rate;
    await this.#store.transaction((database) => {
      database.prepare("DELETE FROM outbox_rate").run();
      if (rate !== null) database.prepare("INSERT INTO outbox_rate (rate) VALUES (?)").run(rate);
    });
  }
}
