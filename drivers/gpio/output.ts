// One driven line: its guard, its value, and the certainty that the kernel drives it. Writes go one after the other.
import { DriverError, type Timers } from "../driver.ts";
import { type Guard, isAlive, type OutputGuardSettings, startOutputGuard } from "./guards.ts";
import { READY_LIMIT_MS, READY_POLL_MS, RELEASE_LIMIT_MS, WRITES_WAITING_MAX } from "./limits.ts";
import { complaint, type GpioHost, poll, toolError } from "./tools.ts";

export interface LineDriverSettings extends OutputGuardSettings {
  readonly place: string;
  readonly host: GpioHost;
  readonly timers: Timers;
  /** Whether the kernel shows the line as an output that somebody holds. */
  readonly held: () => Promise<boolean>;
}

export interface LineDriver {
  drive(level: 0 | 1): Promise<void>;
  /** Whether the processes behind the line live. */
  alive(): Promise<boolean>;
  /** Lets go of the line at once. */
  release(): Promise<void>;
  /** The pipe is closed, as if the agent had died: the guard drives the safe value, and stays if it is to hold. */
  leave(): Promise<void>;
}

const untilExit = (guard: Guard, timers: Timers): Promise<void> =>
  new Promise((resolve) => {
    const { child } = guard;
    if (child.exitCode !== null || child.signalCode !== null) {
      resolve();
      return;
    }
    const cancel = timers.after(RELEASE_LIMIT_MS, () => child.kill("SIGKILL"));
    child.once("exit", () => {
      cancel();
      resolve();
    });
  });

class GuardedLine implements LineDriver {
  readonly #settings: LineDriverSettings;
  readonly #guard: Guard;
  /** The process that holds the line, as the guard reports it. */
  #holder: { readonly pid: number; readonly level: number } | null = null;
  #reports = 0;
  #last: Promise<unknown> = Promise.resolve();
  #waiting = 0;
  #over = false;

  constructor(settings: LineDriverSettings) {
    this.#settings = settings;
    this.#guard = startOutputGuard(settings);
    const { child } = this.#guard;
    child.stdout?.on("data", (chunk: Buffer) => {
      for (const line of chunk.toString().trim().split("\n")) {
        const [pid, level] = line.split(" ").map(Number);
        this.#holder = { pid: pid ?? 0, level: level ?? 0 };
        this.#reports += 1;
      }
    });
    child.once("exit", () => {
      this.#over = true;
    });
    child.once("error", () => {
      this.#over = true;
    });
  }

  drive(level: 0 | 1): Promise<void> {
    if (this.#waiting >= WRITES_WAITING_MAX)
      return Promise.reject(
        new DriverError("BUSY", `${this.#settings.place}: ${this.#waiting} writes wait already`),
      );
    this.#waiting += 1;
    const turn = this.#last
      .then(() => this.#drive(level))
      .finally(() => {
        this.#waiting -= 1;
      });
    this.#last = turn.catch(() => undefined);
    return turn;
  }

  async alive(): Promise<boolean> {
    const holder = this.#holder;
    return !this.#over && holder !== null && (await isAlive(this.#settings.host, holder.pid));
  }

  async release(): Promise<void> {
    if (!this.#over) this.#guard.child.stdin?.write("release\n");
    await untilExit(this.#guard, this.#settings.timers);
  }

  async leave(): Promise<void> {
    const { child } = this.#guard;
    const { afterStop, safe } = this.#settings;
    await this.#last;
    if (this.#over) return;
    if (afterStop === "release") {
      await this.#drive(safe).catch(() => undefined);
      await this.release();
      return;
    }
    if (this.#holder?.level !== safe) await this.#drive(safe).catch(() => undefined);
    child.stdin?.end();
    child.stdout?.destroy();
    child.stderr?.destroy();
    child.unref();
  }

  async #drive(level: 0 | 1): Promise<void> {
    const { place, timers, held } = this.#settings;
    if (this.#over) throw this.#failure();
    const before = this.#reports;
    this.#guard.child.stdin?.write(`${level}\n`);
    const settled = async (): Promise<boolean> => {
      if (this.#over) return true;
      if (this.#reports === before) return false;
      return !(await this.alive()) || (await held());
    };
    const ready = await poll(settled, timers, { everyMs: READY_POLL_MS, limitMs: READY_LIMIT_MS });
    if (!ready)
      throw new DriverError("TIMEOUT", `${place}: the line is not driven after ${READY_LIMIT_MS / 1000} s`);
    if (!(await this.alive())) throw this.#failure();
  }

  #failure(): DriverError {
    return toolError(this.#settings.place, complaint(this.#guard.errors()));
  }
}

export const createLineDriver = (settings: LineDriverSettings): LineDriver => new GuardedLine(settings);
