// Bytes to and from the homeserver, by interface and day (UTC), and who may still spend them.
//
// Durable without a write per event: what is stored is what was counted and a reserve above it; it is written anew when the count reaches it, and exactly at
// the end. So a kill makes the day's count too high by a reserve at most, never too low.
//
// Without a clock nobody knows what day it is: the last day that was known goes on, and what was counted meanwhile is counted to the day that turns out to be.
import type { Traffic } from "#agent/matrix/traffic.ts";
import type { Log } from "#agent/runtime.ts";
import type { Database, Store } from "#agent/store/store.ts";
import type { BytesConfig } from "./bytes-schema.ts";
import type { Lane } from "./lanes.ts";
import {
  BYTES_DAYS_ROWS_MAX,
  BYTES_RESERVE,
  BYTES_RESERVE_SHARE,
  LINK_OVERHEAD,
  ROUTE_LOOK_MS,
  TLS_HANDSHAKE_BYTES,
} from "./limits.ts";
import { interfaceOf, matchesAny, type Network } from "./network.ts";

const DAY_MS = 86_400_000;

export interface ByteBudgetContext {
  readonly store: Store;
  readonly log: Log;
  readonly config: BytesConfig;
  readonly network: Network;
  readonly monoMs: () => number;
  /** Null while the clock is unset. */
  readonly wallMs: () => number | null;
  /** Another interface leads to the homeserver now. */
  readonly rerouted: () => void;
}

export interface ByteBudgetView {
  /** That leads to the homeserver; null: not known yet. */
  readonly route: string | null;
  readonly metered: boolean;
  /** Counted today, by interface. */
  readonly today: ReadonlyMap<string, number>;
  /** Since the process began, by interface. */
  readonly total: ReadonlyMap<string, number>;
  /** Of metered interfaces, today; null: without a limit. */
  readonly left: number | null;
  /** Why readings wait; null: they do not. */
  readonly waits: "unmetered" | "tomorrow" | null;
}

const add = (counts: Map<string, number>, name: string, bytes: number): void => {
  counts.set(name, (counts.get(name) ?? 0) + bytes);
};

const readDay = (database: Database, day: number): Map<string, number> =>
  new Map(
    database
      .prepare("SELECT interface, bytes FROM network_day WHERE day = ?")
      .all(day)
      .map((row) => [String(row["interface"]), Number(row["bytes"])]),
  );

/** 0: none was ever known. */
const lastDay = (database: Database): number =>
  Number(database.prepare("SELECT day FROM network_day ORDER BY rowid DESC LIMIT 1").get()?.["day"] ?? 0);

export class ByteBudget {
  readonly #context: ByteBudgetContext;
  readonly #total = new Map<string, number>();
  #day: number;
  #today: Map<string, number>;
  /** What the store says, which is as much or more. */
  #stored: Map<string, number>;
  /** Counted while no day was known. */
  readonly #undated = new Map<string, number>();
  #route: string | null = null;
  #peer: { readonly address: string; readonly port: number } | null = null;
  #lookedMono = Number.NEGATIVE_INFINITY;
  #writing: Promise<void> | null = null;

  constructor(context: ByteBudgetContext) {
    this.#context = context;
    this.#day = context.store.read(lastDay);
    this.#today = context.store.read((database) => readDay(database, this.#day));
    this.#stored = new Map(this.#today);
  }

  /** Of each exchange with the homeserver, told when it is over. */
  readonly count = ({ bytes, isNew, localAddress, remoteAddress, remotePort, secure }: Traffic): void => {
    if (localAddress === null) return;
    const name = interfaceOf(this.#context.network.table(), localAddress);
    const whole = Math.round(bytes * LINK_OVERHEAD) + (isNew && secure ? TLS_HANDSHAKE_BYTES : 0);
    this.#turn();
    add(this.#today, name, whole);
    add(this.#total, name, whole);
    if (this.#context.wallMs() === null) add(this.#undated, name, whole);
    if (remoteAddress !== null && remotePort !== null)
      this.#peer = { address: remoteAddress, port: remotePort };
    if (this.#route === null) this.#route = name;
    this.#store(false);
  };

  /** Milliseconds until this lane is worth another look; 0: it may send now. */
  delayMs(lane: Lane): number {
    if (lane === "alarm" || lane === "reply" || this.#context.config.metered.length === 0) return 0;
    this.#look();
    const waits = this.#waits();
    if (waits === null || (waits === "unmetered" && lane !== "bulk")) return 0;
    return ROUTE_LOOK_MS;
  }

  view(): ByteBudgetView {
    this.#turn();
    const { per_day: perDay } = this.#context.config;
    return {
      route: this.#route,
      metered: this.#isMetered(this.#route),
      today: this.#today,
      total: this.#total,
      left: perDay === undefined ? null : Math.max(0, perDay - this.#spent()),
      waits: this.#waits(),
    };
  }

  /** Writes down what was counted, exactly. */
  async stop(): Promise<void> {
    this.#store(true);
    await this.#writing;
  }

  #isMetered(name: string | null): boolean {
    return name !== null && matchesAny(name, this.#context.config.metered);
  }

  #spent(): number {
    return [...this.#today].reduce((sum, [name, bytes]) => sum + (this.#isMetered(name) ? bytes : 0), 0);
  }

  #waits(): ByteBudgetView["waits"] {
    const { bulk, per_day: perDay } = this.#context.config;
    if (!this.#isMetered(this.#route)) return null;
    this.#turn();
    if (perDay !== undefined && this.#spent() >= perDay) return "tomorrow";
    return bulk === "wait" ? "unmetered" : null;
  }

  /** A new day, if it is one. */
  #turn(): void {
    const wallMs = this.#context.wallMs();
    if (wallMs === null) return;
    const day = Math.floor(wallMs / DAY_MS);
    if (day !== this.#day) {
      this.#day = day;
      // A clock that went back finds what was counted on that day.
      this.#stored = this.#context.store.read((database) => readDay(database, day));
      this.#today = new Map(this.#stored);
      for (const [name, bytes] of this.#undated) add(this.#today, name, bytes);
    }
    this.#undated.clear();
  }

  /** Asks for the route now and then; the answer counts at the next look. */
  #look(): void {
    const { monoMs, network, rerouted } = this.#context;
    const now = monoMs();
    if (this.#peer === null || now - this.#lookedMono < ROUTE_LOOK_MS) return;
    this.#lookedMono = now;
    const take = (local: string | null): void => {
      const route = local === null ? this.#route : interfaceOf(network.table(), local);
      if (route === this.#route) return;
      this.#context.log.info({ from: this.#route, to: route }, "another interface leads to the homeserver");
      this.#route = route;
      rerouted();
    };
    // Where the kernel cannot say, the last one stands.
    void network.routeTo(this.#peer.address, this.#peer.port).then(take, () => undefined);
  }

  #reserve(): number {
    const { per_day: perDay } = this.#context.config;
    return perDay === undefined
      ? BYTES_RESERVE
      : Math.min(BYTES_RESERVE, Math.ceil(perDay * BYTES_RESERVE_SHARE));
  }

  #store(exactly: boolean): void {
    const isShort = [...this.#today].some(([name, bytes]) => bytes > (this.#stored.get(name) ?? 0));
    if (this.#writing !== null && !exactly) return;
    if (!isShort && !exactly) return;
    const above = exactly ? 0 : this.#reserve();
    const day = this.#day;
    const rows = [...this.#today].map(([name, bytes]) => [name, bytes + above] as const);
    const before = this.#writing ?? Promise.resolve();
    this.#writing = before
      .then(() => this.#context.store.transaction((database) => writeDay(database, day, rows)))
      .then(() => {
        if (day === this.#day) this.#stored = new Map(rows);
      })
      // A store that is busy takes it the next time; one that failed says so itself.
      .catch(() => undefined)
      .finally(() => {
        this.#writing = null;
      });
  }
}

const writeDay = (database: Database, day: number, rows: readonly (readonly [string, number])[]): void => {
  const write = database.prepare(
    "INSERT OR REPLACE INTO network_day (day, interface, bytes) VALUES (?, ?, ?)",
  );
  for (const [name, bytes] of rows) write.run(day, name, bytes);
  database
    .prepare(
      "DELETE FROM network_day WHERE rowid NOT IN (SELECT rowid FROM network_day ORDER BY rowid DESC LIMIT ?)",
    )
    .run(BYTES_DAYS_ROWS_MAX);
};
