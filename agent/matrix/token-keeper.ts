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

export interface TokenKeeper {
  authorised<T>(request: (token: string) => Promise<T>): Promise<T>;
}

const lost = (options: KeeperOptions, cause: MatrixError): MatrixError =>
  new MatrixError(
    "auth",
    `${options.userId}: ${options.baseUrl} does not know this device any more (${cause.errcode ?? "status 401"}): it was logged out. Run \`petrel login\`; in encrypted rooms it will be a new device`,
    { status: 401, errcode: cause.errcode ?? "M_UNKNOWN_TOKEN", cause },
  );

const needsPassword = (options: KeeperOptions, cause: MatrixError): MatrixError =>
  new MatrixError(
    "auth",
    `${options.userId}: the token has expired and the config holds no password to get another: run \`petrel login\``,
    { status: 401, errcode: cause.errcode ?? "M_UNKNOWN_TOKEN", softLogout: true, cause },
  );

const isRefusal = (error: unknown): error is MatrixError =>
  error instanceof MatrixError && (error.kind === "auth" || error.kind === "refused");

interface Current {
  readonly tokens: Tokens;
  /** Monotonic time from which a renewal is due, and from which the token is dead; Infinity when the server named none. */
  readonly renewAtMs: number;
  readonly deadAtMs: number;
}

export const createTokenKeeper = (options: KeeperOptions, first: Tokens): TokenKeeper => {
  const { runtime, http, store, baseUrl } = options;
  const monoMs = (): number => runtime.clock.monoMs();

  const withTimes = (tokens: Tokens): Current => {
    const lifeMs = tokens.expiresInMs ?? Number.POSITIVE_INFINITY;
    return {
      tokens,
      renewAtMs: monoMs() + Math.max(lifeMs - RENEW_AHEAD_MS, lifeMs / 2),
      deadAtMs: monoMs() + lifeMs,
    };
  };

  let current = withTimes(first);
  let renewing: Promise<void> | null = null;
  let blocked: { readonly untilMs: number; readonly error: MatrixError } | null = null;

  const adopt = async (tokens: Tokens): Promise<void> => {
    await writeTokens(store, tokens);
    current = withTimes(tokens);
  };

  // False: the refresh token is not good either.
  const refresh = async (): Promise<boolean> => {
    const { refreshToken } = current.tokens;
    if (refreshToken === null) return false;
    try {
      await adopt(await refreshTokens(http, baseUrl, refreshToken));
      return true;
    } catch (error) {
      if (!isRefusal(error)) throw error;
      current = { ...current, tokens: { ...current.tokens, refreshToken: null } };
      return false;
    }
  };

  const block = (untilMs: number, error: MatrixError): void => {
    blocked = { untilMs, error };
  };

  const loginAgain = async (cause: MatrixError): Promise<void> => {
    const { credentials } = options;
    if (credentials?.kind !== "password") throw needsPassword(options, cause);
    if (blocked !== null && monoMs() < blocked.untilMs) throw blocked.error;
    try {
      const device = { id: options.deviceId, displayName: options.displayName };
      const grant = await login(http, baseUrl, credentials, device);
      if (grant.userId !== options.userId || grant.deviceId !== options.deviceId) throw lost(options, cause);
      await adopt(grant);
      runtime.log.info(
        { user: options.userId, device: options.deviceId },
        "logged in again after a soft logout",
      );
      const text = `${baseUrl} refuses a token that it gave less than a minute ago`;
      block(
        monoMs() + LOGIN_PAUSE_MS,
        new MatrixError("unavailable", text, { retryAfterMs: LOGIN_PAUSE_MS }),
      );
    } catch (error) {
      if (error instanceof MatrixError && error.kind === "limited")
        block(monoMs() + (error.retryAfterMs ?? LOGIN_PAUSE_MS), error);
      throw error;
    }
  };

  const once = (work: () => Promise<void>): Promise<void> => {
    renewing ??= work().finally(() => {
      renewing = null;
    });
    return renewing;
  };

  const replace = (used: string, cause: MatrixError): Promise<void> => {
    if (current.tokens.accessToken !== used) return Promise.resolve();
    return once(async () => {
      if (!cause.softLogout) throw lost(options, cause);
      if (!(await refresh())) await loginAgain(cause);
    });
  };

  // Ahead of time: a failure matters only once the token is dead, and then the server will say so.
  const renewAhead = async (): Promise<void> => {
    if (monoMs() < current.renewAtMs || current.tokens.refreshToken === null) return;
    const before = current;
    try {
      await once(async () => void (await refresh()));
    } catch (error) {
      if (!(error instanceof MatrixError) || error.kind === "aborted" || monoMs() >= before.deadAtMs)
        throw error;
    }
  };

  const authorised = async <T>(request: (token: string) => Promise<T>): Promise<T> => {
    await (renewing ?? renewAhead());
    const used = current.tokens.accessToken;
    try {
      return await request(used);
    } catch (error) {
      if (!(error instanceof MatrixError) || error.kind !== "auth") throw error;
      await replace(used, error);
      return request(current.tokens.accessToken);
    }
  };

  return { authorised };
};
