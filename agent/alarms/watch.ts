// Watches readings for alarms. It sees each reading twice: at the door (an absence ends, a crossing is not thinned out) and in the journal's
// transaction, where the alarm's next state and what is to be told are written together with the reading: a process that dies has both or neither.
import type { Witness, Written } from "#agent/journal/ledger.ts";
import type { AgentRooms } from "#agent/rooms/rooms.ts";
import { pause, type Runtime } from "#agent/runtime.ts";
import { type Store, StoreError } from "#agent/store/store.ts";
import type { ClockState, StampedReading } from "#agent/telemetry/reading.ts";
import { ID_BYTES, STORE_RETRY_MS } from "./limits.ts";
import type { RoomIds, Telling } from "./news.ts";
import { Pass } from "./pass.ts";
import { type AlarmRule, type Judgement, judge } from "./rule.ts";
import { idOf, sampleOf } from "./sample.ts";
import {
  type AlarmState,
  afterBoot,
  cross,
  dueAt,
  NEVER,
  onReading,
  raiseIfDue,
  type Sample,
} from "./state.ts";
import { loadAlarms, saveAlarm } from "./tables.ts";

export interface AlarmContext {
  readonly runtime: Runtime;
  readonly store: Store;
  readonly rules: readonly AlarmRule[];
  readonly device: string;
  readonly namespace: string;
  readonly prefix: string;
  /** As an earlier run knew them. */
  readonly rooms: RoomIds | null;
  /** The kernel's boot ID. */
  readonly boot: string;
  readonly clockState: () => ClockState;
}

export class AlarmWatch {
  readonly rules: readonly AlarmRule[];
  readonly #context: AlarmContext;
  readonly #telling: Telling;
  readonly #byName = new Map<string, readonly AlarmRule[]>();
  /** What the tables hold, as of the last commit that changed it. */
  #states: ReadonlyMap<string, AlarmState> = new Map();
  /** At the door: what each rule last thought of its reading. */
  readonly #judged = new Map<string, Judgement>();
  /** When a reading came last, by the monotonic clock, by name. */
  readonly #seenAt = new Map<string, number>();
  readonly #latest = new Map<string, Sample>();
  readonly #complained = new Set<string>();
  /** That of the journal's transaction that is under way. */
  #pass: Pass | null = null;
  #rooms: RoomIds | null;
  #wake: () => void = () => undefined;
  #cancelTimer: (() => void) | null = null;
  readonly #aborter = new AbortController();

  constructor(context: AlarmContext) {
    const { device, namespace, prefix, rules, runtime, store } = context;
    this.#context = context;
    this.rules = rules;
    this.#rooms = context.rooms;
    const rooms = (): RoomIds | null => this.#rooms;
    this.#telling = { vault: store.vault, random: runtime.random, device, namespace, prefix, rooms };
    for (const rule of rules) this.#byName.set(rule.name, [...this.#rulesOf(rule.name), rule]);
  }

  /** Before the first reading: what the configuration no longer watches is over, what was pending goes on. */
  async start(): Promise<void> {
    const { boot, runtime, store } = this.#context;
    const { monoMs, wallMs } = { monoMs: runtime.clock.monoMs(), wallMs: runtime.clock.wallMs() };
    for (const { name } of this.rules) this.#seenAt.set(name, monoMs);
    const known = new Set(this.rules.map(({ key }) => key));
    await this.#commit((pass, database) => {
      for (const stored of loadAlarms(database, store.vault)) {
        const state = afterBoot(stored.state, { boot, monoMs });
        if (!known.has(stored.key)) pass.remove(stored, wallMs);
        else if (state !== stored.state) saveAlarm(database, store.vault, { ...stored, state });
      }
    });
    this.#refresh();
  }

  stop(): void {
    this.#aborter.abort();
    this.#cancelTimer?.();
  }

  /** For the journal: runs in the transaction that stores the readings. */
  readonly witness: Witness = (database, written) => {
    if (this.#byName.size === 0) return;
    // The one before it was committed and told, or rolled back: then nobody is told.
    this.#pass = new Pass(database, this.#telling);
    this.#judgeAll(this.#pass, written);
    this.#pass.finish(false);
  };

  /** The journal has committed readings. */
  committed(): void {
    const pass = this.#pass;
    this.#pass = null;
    if (pass !== null) this.#settle(pass);
  }

  /** The journal refused these (it is full): an alarm is raised all the same. Never rejects. */
  async refused(readings: readonly StampedReading[], clock: ClockState): Promise<void> {
    if (!readings.some(({ name }) => this.#byName.has(name))) return;
    await this.#quietly((pass) => {
      for (const reading of readings) this.#judge(pass, reading, sampleOf(reading, clock, null, null));
    });
  }

  /** At the door, for every reading: true if it may not be thinned out, since an alarm may turn on it. */
  seen(reading: StampedReading): boolean {
    const rules = this.#byName.get(reading.name);
    if (rules === undefined) return false;
    this.#seenAt.set(reading.name, this.#context.runtime.clock.monoMs());
    return rules.map((rule) => this.#turns(rule, reading)).includes(true);
  }

  /** The rooms are known: what waited for them goes out, and `wake` is called when there is more. Never rejects. */
  async connected({ data, people }: AgentRooms, wake: () => void): Promise<void> {
    this.#rooms = { data: data.roomId, people: people.roomId };
    this.#wake = wake;
    await this.flush();
  }

  /** An event of the lane left: an answer may know now what it answers. Never rejects. */
  async flush(): Promise<void> {
    await this.#quietly(() => undefined);
  }

  stateOf(rule: AlarmRule): AlarmState {
    return this.#states.get(rule.key) ?? NEVER;
  }

  /** Notes that somebody has seen these; they stay raised. Rejects if the store does. */
  async acknowledge(rules: readonly AlarmRule[], by: string): Promise<void> {
    const atMs = this.#context.runtime.clock.wallMs();
    await this.#commit((pass) => {
      for (const rule of rules) {
        const state = pass.state(rule);
        if (state.state === "raised" && state.acknowledged === null)
          pass.take(rule, { state: { ...state, acknowledged: { by, atMs } }, news: null });
      }
    });
    await this.#context.store.durable();
  }

  #rulesOf(name: string): readonly AlarmRule[] {
    return this.#byName.get(name) ?? [];
  }

  #turns(rule: AlarmRule, { value }: StampedReading): boolean {
    const { condition, key } = rule;
    // A reading ends an absence.
    if (condition.kind === "stale") return this.stateOf(rule).state !== "idle";
    const judgement = judge(condition, value);
    if (judgement === "between" || judgement === "incomparable") return false;
    const before = this.#judged.get(key) ?? "clear";
    this.#judged.set(key, judgement);
    return before !== judgement;
  }

  #judgeAll(pass: Pass, { deliveries, firstSeq, stream }: Written): void {
    let seq = firstSeq;
    for (const { clock, readings } of deliveries)
      for (const reading of readings) {
        if (this.#byName.has(reading.name)) this.#judge(pass, reading, sampleOf(reading, clock, stream, seq));
        seq += 1;
      }
  }

  #judge(pass: Pass, reading: StampedReading, sample: Sample): void {
    this.#latest.set(reading.name, sample);
    for (const rule of this.#rulesOf(reading.name)) {
      const judgement = judge(rule.condition, reading.value);
      if (judgement === "incomparable") this.#complain(rule, reading);
      else
        pass.take(
          rule,
          onReading(pass.state(rule), rule, judgement, sample, this.#context.boot, () => this.#newId()),
        );
    }
  }

  #complain({ key, name }: AlarmRule, { value }: StampedReading): void {
    if (this.#complained.has(key)) return;
    this.#complained.add(key);
    const found = value instanceof Uint8Array ? "bytes" : `a ${typeof value}`;
    this.#context.runtime.log.warn(
      { channel: name },
      `the alarm "${key}" cannot be compared with ${found}: such readings are left out of it`,
    );
  }

  #newId(): string {
    return idOf(this.#context.runtime.random(ID_BYTES));
  }

  // Time, which raises what holds and what is missing.

  #arm(): void {
    this.#cancelTimer?.();
    if (this.#aborter.signal.aborted) return;
    const next = Math.min(...this.rules.map((rule) => this.#nextAt(rule)));
    if (next === Number.POSITIVE_INFINITY) return;
    const { clock, timers } = this.#context.runtime;
    const delayMs = Math.max(1, next - clock.monoMs());
    this.#cancelTimer = timers.after(delayMs, () => void this.#tick());
  }

  /** When time alone may turn this alarm. */
  #nextAt(rule: AlarmRule): number {
    const state = this.stateOf(rule);
    if (state.state === "pending") return dueAt(state, rule);
    if (state.state === "raised" || rule.condition.kind !== "stale") return Number.POSITIVE_INFINITY;
    return (this.#seenAt.get(rule.name) ?? 0) + rule.condition.afterMs;
  }

  async #tick(): Promise<void> {
    const now = this.#context.runtime.clock.monoMs();
    const due = this.rules.filter((rule) => this.#nextAt(rule) <= now);
    if (due.length > 0)
      await this.#quietly((pass) => {
        for (const rule of due) this.#turnByTime(pass, rule, now);
      });
    this.#arm();
  }

  #turnByTime(pass: Pass, rule: AlarmRule, now: number): void {
    const { boot, clockState, runtime } = this.#context;
    const state = pass.state(rule);
    const latest = this.#latest.get(rule.name);
    const newId = (): string => this.#newId();
    if (state.state === "pending")
      pass.take(rule, raiseIfDue(state, rule, latest ?? state.sample, now, newId));
    if (state.state !== "idle" || rule.condition.kind !== "stale") return;
    const missingMs = now - (this.#seenAt.get(rule.name) ?? now);
    if (missingMs < rule.condition.afterMs) return;
    const timeMs = Math.round(runtime.clock.wallMs());
    const absent = { value: null, unit: null, stream: null, seq: null, ...latest };
    const sample: Sample = { ...absent, timeMs, monoMs: now, clock: clockState() };
    const at = { boot, monoMs: now };
    pass.take(rule, cross(state, rule, sample, at, Math.round(timeMs - missingMs), newId));
  }

  // The store.

  async #commit(work: (pass: Pass, database: Parameters<Witness>[0]) => void): Promise<void> {
    const pass = await this.#context.store.transaction((database) => {
      const pass = new Pass(database, this.#telling);
      work(pass, database);
      pass.finish(true);
      return pass;
    });
    this.#settle(pass);
  }

  /** A store that is only busy is asked again; one that failed says so itself. */
  async #quietly(work: (pass: Pass) => void): Promise<void> {
    const { runtime } = this.#context;
    const { signal } = this.#aborter;
    while (!signal.aborted) {
      try {
        await this.#commit(work);
        return;
      } catch (error) {
        if (!(error instanceof StoreError) || error.code !== "BUSY") {
          runtime.log.error({ error: String(error) }, "an alarm could not be stored");
          return;
        }
        await pause(runtime.timers, STORE_RETRY_MS, signal);
      }
    }
  }

  #settle(pass: Pass): void {
    if (!pass.changed) return;
    for (const line of pass.lines) this.#context.runtime.log.warn({}, line);
    this.#refresh();
    this.#wake();
  }

  #refresh(): void {
    const { store } = this.#context;
    const stored = store.read((database) => loadAlarms(database, store.vault));
    this.#states = new Map(stored.map(({ key, state }) => [key, state]));
    this.#arm();
  }
}
