// What a homeserver's answer means (Client-Server API, "Standard error response", "Rate limiting", "Soft logout").
// Servers and the proxies before them answer with anything: null, nothing, HTML, JSON without an errcode. Each has its place here.
import type { HttpAnswer, HttpRequest } from "./http.ts";
import { asInteger, asString, field, isObject, parseJson } from "./json.ts";
import { RETRY_AFTER_MAX_MS, SERVER_TEXT_MAX } from "./limits.ts";
import { describeTarget } from "./network-error.ts";
import { type JsonObject, type JsonValue, MatrixError, type MatrixErrorKind } from "./types.ts";

export interface Asked extends Pick<HttpRequest, "method" | "url"> {
  /** Texts that must not show in an error, should the server repeat them: the token, a password. */
  readonly secrets: readonly string[];
}

const HTML = /^\s*</;

const shapeOf = (text: string): string => {
  if (text.trim() === "") return "nothing";
  if (HTML.test(text)) return "an HTML page: a proxy or a login page of the network stands in between";
  return "something that is no JSON object";
};

/** The server's sentence, made fit for one line of a log: bounded, without control characters and secrets. */
export const cleaned = (text: string, secrets: readonly string[]): string => {
  const safe = secrets.reduce(
    (rest, secret) => (secret === "" ? rest : rest.replaceAll(secret, "[secret]")),
    text,
  );
  return safe.replaceAll(/\p{Cc}+/gu, " ").slice(0, SERVER_TEXT_MAX);
};

// RFC 9110 section 10.2.3: seconds or a date. The date is compared with the server's own: a device's clock may be unset.
const headerDelayMs = (answer: HttpAnswer): number | null => {
  const value = answer.header("retry-after")?.trim() ?? "";
  if (/^\d{1,9}$/.test(value)) return Number(value) * 1000;
  const until = Date.parse(value);
  const now = Date.parse(answer.header("date") ?? "");
  return Number.isNaN(until - now) ? null : until - now;
};

/** The header first, then the older `retry_after_ms` (Dendrite sends only that). */
const retryAfterMs = (answer: HttpAnswer, body: JsonObject): number | null => {
  const delay = headerDelayMs(answer) ?? asInteger(field(body, "retry_after_ms"));
  return delay === null ? null : Math.min(Math.max(delay, 0), RETRY_AFTER_MAX_MS);
};

const TOKEN_ERRORS: ReadonlySet<string> = new Set(["M_UNKNOWN_TOKEN", "M_MISSING_TOKEN"]);

const kindOf = (status: number, errcode: string | null): MatrixErrorKind => {
  if (status === 429 || errcode === "M_LIMIT_EXCEEDED") return "limited";
  if (status >= 500 || status === 408 || status === 425) return "unavailable";
  // A 401 without one of these is interactive authentication, or a locked account: the token itself is good.
  if (status === 401 && errcode !== null && TOKEN_ERRORS.has(errcode)) return "auth";
  return "refused";
};

const redirected = (asked: Asked, answer: HttpAnswer): MatrixError => {
  const to = cleaned(answer.header("location") ?? "nowhere", asked.secrets);
  const text = `${describeTarget(asked.method, asked.url)}: redirected to ${to}: give the homeserver's own address in the config`;
  return new MatrixError("refused", text, { status: answer.status });
};

const withoutJson = (asked: Asked, answer: HttpAnswer, text: string): MatrixError => {
  const target = describeTarget(asked.method, asked.url);
  // A proxy's own limit comes as a page; asking again cannot help.
  const kind = answer.status === 413 ? "refused" : answer.status === 429 ? "limited" : "unavailable";
  const delay = retryAfterMs(answer, {});
  return new MatrixError(
    kind,
    `${target}: expected JSON, got ${shapeOf(text)} (status ${answer.status}). Is this the homeserver's address?`,
    {
      status: answer.status,
      inDoubt: kind === "unavailable",
      ...(delay === null ? {} : { retryAfterMs: delay }),
    },
  );
};

const refusal = (asked: Asked, answer: HttpAnswer, body: JsonObject): MatrixError => {
  const errcode = asString(field(body, "errcode"));
  const kind = kindOf(answer.status, errcode);
  const delay = retryAfterMs(answer, body);
  const said = cleaned(asString(field(body, "error")) ?? "", asked.secrets);
  const named = errcode === null ? "" : ` ${cleaned(errcode, asked.secrets)}`;
  const text = `${describeTarget(asked.method, asked.url)}: status ${answer.status}${named}${said === "" ? "" : `: ${said}`}`;
  return new MatrixError(kind, text, {
    status: answer.status,
    softLogout: field(body, "soft_logout") === true,
    inDoubt: kind === "unavailable",
    body,
    ...(errcode === null ? {} : { errcode }),
    ...(delay === null ? {} : { retryAfterMs: delay }),
  });
};

const success = (
  asked: Asked,
  answer: HttpAnswer,
  text: string,
  value: JsonValue | undefined,
): JsonObject => {
  if (isObject(value)) return value;
  // Nothing and null stand for an object without fields; who needs a field finds it missing.
  if (value === null || text.trim() === "") return {};
  throw withoutJson(asked, answer, text);
};

/** The JSON object of a good answer; throws what a bad one means. */
export const parseAnswer = (asked: Asked, answer: HttpAnswer): JsonObject => {
  const text = answer.body.toString("utf8");
  const value = parseJson(text);
  if (answer.status >= 200 && answer.status < 300) return success(asked, answer, text, value);
  if (answer.status >= 300 && answer.status < 400) throw redirected(asked, answer);
  throw isObject(value) ? refusal(asked, answer, value) : withoutJson(asked, answer, text);
};

/** A good answer without the field that it must have: the server is broken, or is none. */
export const missing = (what: string, name: string): MatrixError =>
  new MatrixError("unavailable", `${what}: the server's answer has no usable "${name}"`, { inDoubt: true });

/** Null instead of the server's "there is none". An endpoint that it does not know is another matter. */
export const nullIfNotFound = async <T>(found: Promise<T>): Promise<T | null> => {
  try {
    return await found;
  } catch (error) {
    if (error instanceof MatrixError && error.errcode === "M_NOT_FOUND") return null;
    throw error;
  }
};
