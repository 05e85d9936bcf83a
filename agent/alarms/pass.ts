// One transaction's worth of alarms: states are read once, stepped any number of times, and written once at its end. Forgotten if the transaction is
// rolled back: nothing outside the tables has changed.
import type { Database } from "#agent/store/store.ts";
import { flush, type Telling, tell, tellRemoved } from "./news.ts";
import type { AlarmRule } from "./rule.ts";
import type { AlarmState, Step } from "./state.ts";
import { forgetAlarm, loadAlarm, type StoredAlarm, saveAlarm } from "./tables.ts";
import { sentence } from "./words.ts";

interface Touched {
  readonly rule: AlarmRule;
  readonly before: AlarmState;
  readonly now: AlarmState;
}

export class Pass {
  readonly #database: Database;
  readonly #telling: Telling;
  readonly #touched = new Map<string, Touched>();
  #news = false;
  #changed = false;
  /** For the log, once it is committed. */
  readonly lines: string[] = [];

  constructor(database: Database, telling: Telling) {
    this.#database = database;
    this.#telling = telling;
  }

  get changed(): boolean {
    return this.#changed;
  }

  state(rule: AlarmRule): AlarmState {
    const known = this.#touched.get(rule.key);
    if (known !== undefined) return known.now;
    const state = loadAlarm(this.#database, this.#telling.vault, rule.key);
    this.#touched.set(rule.key, { rule, before: state, now: state });
    return state;
  }

  take(rule: AlarmRule, { news, state }: Step): void {
    const before = this.#touched.get(rule.key)?.before ?? this.state(rule);
    this.#touched.set(rule.key, { rule, before, now: state });
    if (news === null) return;
    tell(this.#database, this.#telling, rule, news);
    this.#news = true;
    this.lines.push(`alarm ${news.raised.id} ${news.kind}: ${sentence(rule, news.raised.sample)}`);
  }

  /** Its rule is not in the configuration any more. */
  remove({ key, name, state }: StoredAlarm, nowMs: number): void {
    forgetAlarm(this.#database, key);
    if (state.state !== "raised") return;
    tellRemoved(this.#database, this.#telling, name, state, nowMs);
    this.#news = true;
    this.lines.push(`alarm ${state.id} cleared: ${name} is no longer watched`);
  }

  /** At the transaction's end. `always`: also what earlier ones left waiting goes out, if it can. */
  finish(always: boolean): void {
    for (const { before, now, rule } of this.#touched.values())
      if (now !== before) {
        saveAlarm(this.#database, this.#telling.vault, { key: rule.key, name: rule.name, state: now });
        this.#changed = true;
      }
    if (this.#news || always) this.#changed = flush(this.#database, this.#telling) || this.#changed;
  }
}
