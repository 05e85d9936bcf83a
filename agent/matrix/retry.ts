// When to try again: one pure policy for everything that is sent (Client-Server API, "Rate limiting").
import { pause, type Random, type Runtime } from "#agent/runtime.ts";
import { RETRY_BASE_MS, RETRY_MAX_MS, RETRY_SLOW_MS, SERVER_ERROR_TRIES_MAX } from "./limits.ts";
import { MatrixError } from "./types.ts";

/** These lift only when an administrator acts, but they do lift. */
const LIFTS_LATER: ReadonlySet<string> = new Set([
  "M_USER_LOCKED",
  "M_RESOURCE_LIMIT_EXCEEDED",
  "M_USER_LIMIT_EXCEEDED",
]);

/** A number in [0, 1). */
const fraction = (random: Random): number => {
  const [first = 0, second = 0] = random(2);
  return (first * 256 + second) / 65_536;
};

/** Doubles from one second to a minute; half of it is random, so that a fleet does not come back as one. */
const backoffMs = (attempt: number, random: Random): number => {
  const whole = Math.min(RETRY_BASE_MS * 2 ** Math.min(attempt - 1, 16), RETRY_MAX_MS);
  return Math.round(whole / 2 + (whole / 2) * fraction(random));
};

/** Never earlier than asked for; up to a tenth later. */
const obeyedMs = (askedMs: number, random: Random): number =>
  Math.ceil(askedMs + (askedMs / 10) * fraction(random));

/**
 * How long to wait before the next try, in milliseconds, or null when another try cannot help.
 * @param attempt how many tries have failed, this one included: 1 after the first
 */
export const retryDelayMs = (error: MatrixError, attempt: number, random: Random): number | null => {
  switch (error.kind) {
    case "limited":
      return error.retryAfterMs === null ? backoffMs(attempt, random) : obeyedMs(error.retryAfterMs, random);
    case "unavailable": {
      // The server itself says so, not a proxy: it may say so for ever.
      if (error.errcode !== null && attempt >= SERVER_ERROR_TRIES_MAX) return null;
      const backoff = backoffMs(attempt, random);
      return error.retryAfterMs === null ? backoff : Math.max(backoff, obeyedMs(error.retryAfterMs, random));
    }
    case "network":
      return backoffMs(attempt, random);
    case "refused":
      return error.errcode !== null && LIFTS_LATER.has(error.errcode)
        ? obeyedMs(RETRY_SLOW_MS, random)
        : null;
    case "auth":
    case "local":
    case "aborted":
      return null;
  }
};

/** The server refuses because what was asked for is there already: Synapse, the same reaction twice. */
export const isAlreadyDone = (error: MatrixError): boolean => error.errcode === "M_DUPLICATE_ANNOTATION";

/** Tries `work` until it succeeds, cannot succeed, or `signal` is aborted. Only for what may be done twice: never a createRoom. */
export const retried = async <T>(
  runtime: Runtime,
  signal: AbortSignal,
  work: () => Promise<T>,
): Promise<T> => {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof MatrixError)) throw error;
      const delayMs = signal.aborted ? null : retryDelayMs(error, attempt, runtime.random);
      if (delayMs === null) throw error;
      runtime.log.warn(
        { kind: error.kind, delayMs },
        `${error.message}; next try in ${Math.ceil(delayMs / 1000)} s`,
      );
      await pause(runtime.timers, delayMs, signal);
    }
  }
};
