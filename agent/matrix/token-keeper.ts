// Keeps one access token good. States of the token, and what moves it on:
//
//   good --(about to expire)--> refresh --> good          good --(401, soft)--> refresh, else login with the same device ID --> good
//   good --(401, not soft)----> lost: the device is gone on the server; an operator must act
import type { Runtime } from "#agent/runtime.ts";
import type { Store } from "#agent/store/store.ts";
import type { Http } from "./http.ts";
import { LOGIN_PAUSE_MS, RENEW_AHEAD_MS } from "./limits.ts";
import { type Credentials, login, refreshTokens, type Tokens } from "./login.ts";
import { writeTokens } from "./session-table.ts";
import { MatrixError } from "./types.ts";

export interface KeeperOptions {
  readonly runtime: Runtime;
  readonly store: Store;
  readonly http: Http;
  readonly credentials?: Credentials;
  readonly displayName: string;
  readonly userId: string;
  readonly deviceId: string;
  readonly baseUrl: string;
}

interface Current extends Tokens {
  /** Monotonic time from which a renewal is due, and from which the token is dead; Infinity when the server named none. */
  readonly renewAtMs: number;
  readonly deadAtMs: number;
}

const lost = (options: KeeperOptions, cause: MatrixError): MatrixError =>
  new MatrixError(
    "auth",
    `${options.userId}: ${options.baseUrl} does not know this device any more (${cause.errcode ?? "status 401"}): it was logged out, or another program logged in with the same device ID. Run \`petrel login\`; in encrypted rooms it will be a new device`,
    { status: 401, errcode: cause.errcode ?? "M_UNKNOWN_TOKEN", cause },
  );

const needsPassword = (options: KeeperOptions, cause: MatrixError): MatrixError =>
  new MatrixError(
    "auth",
    `${options.userId}: the token has expired and the config holds no password to get another: run \`petrel login\``,
    { status: 401, errcode: cause.errcode ?? "M_UNKNOWN_TOKEN", softLogout: true, cause },
  );

const isAuth = (error: unknown): error is MatrixError =>
  error instanceof MatrixError && error.kind === "auth";

const isRefusal = (error: unknown): boolean =>
  error instanceof MatrixError && (error.kind === "auth" || error.kind === "refused");

export class TokenKeeper {
  readonly #options: KeeperOptions;
  #current: Current;
  // The one renewal under way: whoever needs a token meanwhile waits for it.
  #renewing: Promise<void> | null = null;
  // No login before this (monotonic time), and what to say until then.
  #loginBlock: { readonly untilMs: number; readonly error: MatrixError } | null = null;

  constructor(options: KeeperOptions, tokens: Tokens) {
    this.#options = options;
    this.#current = this.#timed(tokens);
  }

  /** Runs `request` with a good token, and once more with a new one if the server refuses it (then nothing was done). */
  async authorised<T>(request: (token: string) => Promise<T>): Promise<T> {
    await (this.#renewing ?? this.#renewAhead());
    const used = this.#current.accessToken;
    try {
      return await request(used);
    } catch (error) {
      if (!isAuth(error)) throw error;
      await this.#replace(used, error);
    }
    return request(this.#current.accessToken).catch((error: unknown) => {
      // The new one was taken away before it was used, or while another request got it.
      throw isAuth(error) && !error.softLogout ? lost(this.#options, error) : error;
    });
  }

  #monoMs(): number {
    return this.#options.runtime.clock.monoMs();
  }

  #timed(tokens: Tokens): Current {
    const lifeMs = tokens.expiresInMs ?? Number.POSITIVE_INFINITY;
    const now = this.#monoMs();
    return {
      ...tokens,
      renewAtMs: now + Math.max(lifeMs - RENEW_AHEAD_MS, lifeMs / 2),
      deadAtMs: now + lifeMs,
    };
  }

  // A failure matters only once the token is dead, and then the server will say so.
  async #renewAhead(): Promise<void> {
    const before = this.#current;
    if (this.#monoMs() < before.renewAtMs || before.refreshToken === null) return;
    try {
      await this.#once(async () => void (await this.#refresh()));
    } catch (error) {
      const bearable =
        error instanceof MatrixError && error.kind !== "aborted" && this.#monoMs() < before.deadAtMs;
      if (!bearable) throw error;
    }
  }

  async #replace(used: string, cause: MatrixError): Promise<void> {
    // Another request has renewed it meanwhile.
    if (this.#current.accessToken !== used) return;
    await this.#once(async () => {
      if (!cause.softLogout) throw lost(this.#options, cause);
      if (!(await this.#refresh())) await this.#loginAgain(cause);
    });
  }

  #once(work: () => Promise<void>): Promise<void> {
    this.#renewing ??= work().finally(() => {
      this.#renewing = null;
    });
    return this.#renewing;
  }

  // On the disk before it is used: only its use makes the server give up the old one.
  async #adopt(tokens: Tokens): Promise<void> {
    await writeTokens(this.#options.store, tokens);
    this.#current = this.#timed(tokens);
  }

  // False: there is no refresh token, or the server refuses it.
  async #refresh(): Promise<boolean> {
    const { refreshToken } = this.#current;
    if (refreshToken === null) return false;
    try {
      await this.#adopt(await refreshTokens(this.#options.http, this.#options.baseUrl, refreshToken));
      return true;
    } catch (error) {
      if (!isRefusal(error)) throw error;
      this.#current = { ...this.#current, refreshToken: null };
      return false;
    }
  }

  async #loginAgain(cause: MatrixError): Promise<void> {
    const { credentials } = this.#options;
    if (credentials?.kind !== "password") throw needsPassword(this.#options, cause);
    if (this.#loginBlock !== null && this.#monoMs() < this.#loginBlock.untilMs) throw this.#loginBlock.error;
    try {
      await this.#loginAsBefore(credentials, cause);
    } catch (error) {
      if (error instanceof MatrixError && error.kind === "limited")
        this.#blockLogin(error.retryAfterMs ?? LOGIN_PAUSE_MS, error);
      throw error;
    }
    const text = `${this.#options.baseUrl} refuses a token that it gave less than a minute ago`;
    this.#blockLogin(LOGIN_PAUSE_MS, new MatrixError("unavailable", text, { retryAfterMs: LOGIN_PAUSE_MS }));
  }

  async #loginAsBefore(credentials: Credentials, cause: MatrixError): Promise<void> {
    const { http, baseUrl, userId, deviceId, displayName, runtime } = this.#options;
    const grant = await login(http, baseUrl, credentials, { id: deviceId, displayName });
    if (grant.userId !== userId || grant.deviceId !== deviceId) throw lost(this.#options, cause);
    await this.#adopt(grant);
    runtime.log.info({ user: userId, device: deviceId }, "logged in again after a soft logout");
  }

  #blockLogin(forMs: number, error: MatrixError): void {
    this.#loginBlock = { untilMs: this.#monoMs() + forMs, error };
  }
}
