// Keeps one upstream alive through the loss of its token: the drivers and the journal go on meanwhile, readings are kept. States:
//
//   up --(the server does not know our token any more)--> login needed --(logged in again)--> up, with a new upstream over the same store
//
// Without a password in the configuration an operator must act (`petrel login`); the status says so.

import { retried } from "./matrix/retry.ts";
import { readSession } from "./matrix/session-table.ts";
import { MatrixError } from "./matrix/types.ts";
import { pause, type Runtime } from "./runtime.ts";
import type { Store } from "./store/store.ts";
import type { Upstream } from "./upstream.ts";

export interface KeeperOptions {
  readonly runtime: Runtime;
  readonly store: Store;
  readonly make: (fatal: (error: unknown) => void) => Upstream;
  /** Gets another token into the store; null: the configuration holds nothing to get one with. */
  readonly login: ((signal: AbortSignal) => Promise<void>) | null;
  readonly link: (up: boolean) => void;
  readonly fatal: (error: unknown) => void;
}

/** A password that was refused is tried again this often: whoever changes it on the server may put it back, and no server locks an account for it. */
const REFUSED_RETRY_MS = 3_600_000;

/** Two programs that take each other's device away must not do so in a circle. */
const LOGIN_EVERY_MS = 60_000;

const isLost = (error: unknown): error is MatrixError =>
  error instanceof MatrixError && error.kind === "auth";

export class UpstreamKeeper {
  readonly #options: KeeperOptions;
  readonly #aborter = new AbortController();
  #upstream: Upstream;
  #needed: string | null = null;
  #recovering: Promise<void> | null = null;
  #lastLoginMono = Number.NEGATIVE_INFINITY;

  constructor(options: KeeperOptions) {
    this.#options = options;
    this.#upstream = this.#make();
  }

  start(): void {
    this.#upstream.start();
  }

  upstream(): Upstream {
    return this.#upstream;
  }

  /** Why an operator must act; null: nobody must. */
  loginNeeded(): string | null {
    return this.#needed;
  }

  async stop(): Promise<void> {
    this.#aborter.abort();
    await this.#recovering;
    await this.#upstream.stop();
  }

  #make(): Upstream {
    const upstream = this.#options.make((error) => {
      if (upstream === this.#upstream) this.#failed(error);
    });
    return upstream;
  }

  /** Who was never logged in has a wrong configuration: that ends the start, with an exit code. */
  #failed(error: unknown): void {
    const { fatal, store } = this.#options;
    if (this.#aborter.signal.aborted || this.#recovering !== null) return;
    if (!isLost(error) || (readSession(store)?.granted ?? null) === null) {
      fatal(error);
      return;
    }
    this.#recovering = this.#recover(error)
      .catch((why: unknown) => {
        if (!this.#aborter.signal.aborted) fatal(why);
      })
      .finally(() => {
        this.#recovering = null;
      });
  }

  async #recover(error: MatrixError): Promise<void> {
    const { link, login, runtime } = this.#options;
    this.#needed = error.message;
    runtime.log.error({ errcode: error.errcode }, `${error.message}; readings are kept meanwhile`);
    link(false);
    await this.#upstream.stop();
    if (login === null || !(await this.#loggedIn(login))) return;
    this.#needed = null;
    this.#upstream = this.#make();
    this.#upstream.start();
  }

  /** False: stopped before it succeeded. */
  async #loggedIn(login: (signal: AbortSignal) => Promise<void>): Promise<boolean> {
    const { runtime } = this.#options;
    const { clock, log, timers } = runtime;
    const { signal } = this.#aborter;
    await pause(timers, Math.max(0, this.#lastLoginMono + LOGIN_EVERY_MS - clock.monoMs()), signal);
    while (!signal.aborted) {
      try {
        await retried(runtime, signal, () => login(signal));
        this.#lastLoginMono = clock.monoMs();
        return true;
      } catch (error) {
        if (signal.aborted) return false;
        if (!(error instanceof MatrixError)) throw error;
        this.#needed = error.message;
        log.error({ errcode: error.errcode }, `${error.message}; readings are kept meanwhile`);
        await pause(timers, REFUSED_RETRY_MS, signal);
      }
    }
    return false;
  }
}
