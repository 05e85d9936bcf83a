// Events that are read late: their key came after all (from its maker, out of a backup, a file, a bundle of history, another device of ours), or who sent them
// is known now. They go to the same consumers as those of a sync, in the transaction in which the key came.
import type { SyncBatch, SyncConsumer, TimelineEvent } from "#agent/matrix/types.ts";
import type { Database, Store } from "#agent/store/store.ts";
import { batchOf } from "./incoming.ts";

export class Late {
  readonly #store: Pick<Store, "durable">;
  readonly #complain: (error: unknown) => void;
  #downstream: readonly SyncConsumer[] = [];

  constructor(store: Pick<Store, "durable">, complain: (error: unknown) => void) {
    this.#store = store;
    this.#complain = complain;
  }

  deliverTo(consumers: readonly SyncConsumer[]): void {
    this.#downstream = consumers;
  }

  /** In the transaction in which they were opened; call what it gives back once that is committed. */
  take(entries: readonly TimelineEvent[], database: Database): () => void {
    if (entries.length === 0) return () => undefined;
    const batch = batchOf(entries);
    for (const consumer of this.#downstream) consumer.apply(batch, database);
    return () => void this.#committed(batch);
  }

  async #committed(batch: SyncBatch): Promise<void> {
    try {
      await this.#store.durable();
      for (const consumer of this.#downstream) consumer.committed?.(batch);
    } catch (error) {
      this.#complain(error);
    }
  }
}
