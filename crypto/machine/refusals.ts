// What ends a request that the server will never take (Client-Server API, "Standard error response"). Each kind has its own end:
//
//   keys-upload     put off for an hour; a 400 is met with other keys (account/upload.ts)
//   keys-query      those users are left alone for a while, then asked for in smaller groups, so that one of them does not cost the others
//   keys-claim      the same for those devices
//   keys-changes    everybody is asked for (devices/tracking.ts)
//   to-device       sent again in halves, down to single messages; a single one is dropped, and a notice names it (olm/refused.ts)
import { isJsonObject, member } from "../shape.ts";
import { type BackoffKind, backOff } from "./backoff.ts";
import type { Context } from "./context.ts";
import { REFUSED_BATCH_SIZES, USERS_NAMED_MAX } from "./limits.ts";
import type { Answer } from "./requests.ts";
import type { RequestRow } from "./store/store.ts";

/** An answer that is none, or says no. */
export type Refusal = Extract<Answer, { readonly ok: false }>;

const BAD_REQUEST = 400;
const FORBIDDEN = 403;
const TOO_LARGE = 413;
const CLIENT_ERRORS_END = 500;
/** Not the request's fault: log in anew, wait. */
const TRY_AGAIN: readonly number[] = [401, 408, 425, 429];
/** A 403 that goes away when somebody does something about the account. */
const ACCOUNT_HELD =
  /^M_(USER_SUSPENDED|USER_LOCKED|CONSENT_NOT_GIVEN|LIMIT_EXCEEDED|RESOURCE_LIMIT_EXCEEDED|UNKNOWN_TOKEN)$/;
const ERROR_CODE_CHARS_MAX = 80;

/**
 * Whether sending the same again is of no use. What carries no error code of Matrix may come from a proxy or a captive portal and ends
 * nothing, 400 and 413 aside: Dendrite gives no code with the one, and proxies bound sizes for good.
 */
export function isFinal({ status, body }: Refusal): boolean {
  if (status === null || status < BAD_REQUEST || status >= CLIENT_ERRORS_END) return false;
  if (TRY_AGAIN.includes(status)) return false;
  const code = errorCode(body);
  if (code === "") return status === BAD_REQUEST || status === TOO_LARGE;
  if (status !== FORBIDDEN) return true;
  const soft = isJsonObject(body) && member(body, "soft_logout") === true;
  return !soft && !ACCOUNT_HELD.test(code);
}

/** `errcode`, or nothing. The text beside it may quote what we sent: it is left out everywhere. */
export function errorCode(body: unknown): string {
  const code = isJsonObject(body) ? member(body, "errcode") : undefined;
  return typeof code === "string" ? code.slice(0, ERROR_CODE_CHARS_MAX) : "";
}

/** A query or claim that is refused for good: whoever it was about is left alone for a while. */
export function lookupRefused(
  context: Context,
  { request }: RequestRow,
  refusal: Refusal,
  asked: { readonly kind: BackoffKind; readonly names: readonly string[]; readonly users: readonly string[] },
): void {
  for (const name of asked.names) backOff(context, asked.kind, name);
  context.notify({
    kind: "request-refused",
    request: request.kind,
    status: refusal.status ?? 0,
    code: errorCode(refusal.body),
    users: asked.users.slice(0, USERS_NAMED_MAX),
    usersCount: asked.users.length,
  });
}

/** Names in groups to ask for: the more often one was in a refused request, the smaller its group. */
export function inBatches<T>(
  context: Context,
  kind: BackoffKind,
  items: readonly T[],
  nameOf: (item: T) => string,
): readonly (readonly T[])[] {
  const bySize = REFUSED_BATCH_SIZES.map((size) => ({ size, items: [] as T[] }));
  for (const item of items) {
    const failures = context.rows.get("backoff", kind, nameOf(item))?.failures ?? 0;
    bySize[Math.min(failures, bySize.length - 1)]?.items.push(item);
  }
  return bySize.flatMap(({ size, items: all }) =>
    Array.from({ length: Math.ceil(all.length / size) }, (_, at) => all.slice(at * size, (at + 1) * size)),
  );
}
