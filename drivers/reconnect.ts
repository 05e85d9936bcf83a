// Keeps one thing open that may go away: opens it, reports its state, and opens it again with back-off until it is stopped. It knows nothing of what it opens.
//
//   idle --start--> opening --ok--> open --lost--> waiting --timer--> opening ...
//                      |                             ^
//                      +-----------failed------------+          stop, or a natural end --> over
import { backoffMs, jitterOf, STEADY_MS } from "./backoff.ts";
import { type DriverContext, DriverError } from "./driver.ts";

export interface Connection {
  /** Resolves when it is open. A rejection is a failed attempt. */
  open(): Promise<void>;
  /** Ends it, in whatever state it is; resolves when its handles are gone. Idempotent, never rejects. */
  close(): Promise<void>;
}

export interface Reconnector {
  start(): void;
  /** The open connection was lost. */
  lost(reason: DriverError): void;
  /** It came to its natural end: nothing is opened again. */
  ended(detail: string): void;
  isOpen(): boolean;
  stop(): Promise<void>;
}

type Phase =
  | { readonly at: "idle" | "opening" | "over" }
  | { readonly at: "open"; readonly sinceMs: number }
  | { readonly at: "waiting"; readonly cancel: () => void };

type ReconnectContext = Pick<DriverContext, "clock" | "timers" | "random" | "log" | "state" | "count">;

const asDriverError = (place: string, error: unknown): DriverError =>
  error instanceof DriverError
    ? error
    : new DriverError("UNAVAILABLE", `${place}: ${error instanceof Error ? error.message : String(error)}`, {
        cause: error,
      });

class Keeper implements Reconnector {
  readonly #place: string;
  readonly #connection: Connection;
  readonly #context: ReconnectContext;
  #phase: Phase = { at: "idle" };
  #attempt = 0;
  #everOpen = false;
  #lastDetail = "";
  /** The opening or closing that runs, so that a stop can wait for it. */
  #work: Promise<void> = Promise.resolve();

  constructor(place: string, connection: Connection, context: ReconnectContext) {
    this.#place = place;
    this.#connection = connection;
    this.#context = context;
  }

  isOpen(): boolean {
    return this.#phase.at === "open";
  }

  start(): void {
    if (this.#phase.at !== "idle") return;
    this.#context.state("starting");
    this.#open();
  }

  lost(reason: DriverError): void {
    if (this.#phase.at !== "open") return;
    if (this.#context.clock.monoMs() - this.#phase.sinceMs >= STEADY_MS) this.#attempt = 0;
    this.#retry(reason);
  }

  ended(detail: string): void {
    if (this.#phase.at === "over") return;
    this.#phase = { at: "over" };
    this.#work = this.#connection.close();
    this.#context.log.info({ place: this.#place }, detail);
    this.#context.state("stopped", detail);
  }

  async stop(): Promise<void> {
    const before = this.#phase;
    this.#phase = { at: "over" };
    if (before.at === "waiting") before.cancel();
    await this.#connection.close();
    await this.#work;
    if (before.at !== "over") this.#context.state("stopped");
  }

  #open(): void {
    this.#phase = { at: "opening" };
    this.#work = this.#connection.open().then(
      () => this.#opened(),
      (error: unknown) => {
        if (this.#phase.at === "opening") this.#retry(asDriverError(this.#place, error));
      },
    );
  }

  #opened(): void {
    if (this.#phase.at !== "opening") return;
    this.#phase = { at: "open", sinceMs: this.#context.clock.monoMs() };
    if (this.#everOpen) this.#context.count("reconnects");
    this.#everOpen = true;
    this.#lastDetail = "";
    this.#context.log.info({ place: this.#place }, "open");
    this.#context.state("up");
  }

  #retry(reason: DriverError): void {
    const delayMs = backoffMs(this.#attempt, jitterOf(this.#context.random));
    this.#attempt += 1;
    const again = this.#context.timers.after(delayMs, () => this.#reopen());
    this.#phase = { at: "waiting", cancel: again };
    this.#work = this.#connection.close();
    this.#report(reason, delayMs);
  }

  // The handles of the last attempt are gone before the next one begins: a port that is still being closed would look taken.
  #reopen(): void {
    this.#phase = { at: "opening" };
    this.#work = this.#work.then(() => {
      if (this.#phase.at === "opening") this.#open();
    });
  }

  // The same trouble again is for the debug log: a cable that stays unplugged must not fill the disk.
  #report(reason: DriverError, delayMs: number): void {
    const fields = { place: this.#place, code: reason.code, retryMs: delayMs };
    if (reason.message === this.#lastDetail) this.#context.log.debug(fields, reason.message);
    else this.#context.log.warn(fields, reason.message);
    this.#lastDetail = reason.message;
    this.#context.state("down", reason.message);
  }
}

export const createReconnector = (
  place: string,
  connection: Connection,
  context: ReconnectContext,
): Reconnector => new Keeper(place, connection, context);
