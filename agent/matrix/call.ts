// One JSON request to one homeserver: path and query put together, body encoded, answer read. With or without a token, no retry.
import { parseAnswer } from "./answer.ts";
import type { Http, HttpAnswer, Method } from "./http.ts";
import type { JsonObject } from "./types.ts";

export interface CallOptions {
  readonly token?: string;
  readonly body?: JsonObject | Uint8Array;
  readonly contentType?: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly timeoutMs?: number;
  /** A larger answer is refused for good. */
  readonly bytesMax?: number;
  readonly signal?: AbortSignal;
  /** More texts that must not show in an error (a password in the body). */
  readonly secrets?: readonly string[];
}

const urlOf = (baseUrl: string, path: string, query: Readonly<Record<string, string>> = {}): URL => {
  const url = new URL(`${baseUrl}${path}`);
  for (const [key, value] of Object.entries(query)) url.searchParams.set(key, value);
  return url;
};

const bytesOf = (body: JsonObject | Uint8Array): Uint8Array =>
  body instanceof Uint8Array ? body : Buffer.from(JSON.stringify(body), "utf8");

const secretsOf = (options: CallOptions): readonly string[] => [
  ...(options.secrets ?? []),
  ...(options.token === undefined ? [] : [options.token]),
];

/** Each part of a path, escaped. Half a surrogate pair (a server's room ID may hold one) becomes U+FFFD: the server then knows no such thing. */
export const pathOf = (prefix: string, ...parts: readonly string[]): string =>
  [prefix, ...parts.map((part) => encodeURIComponent(part.toWellFormed()))].join("/");

/** The raw answer, for media. A status that is no success throws what it means. */
export const callRaw = async (
  http: Http,
  baseUrl: string,
  method: Method,
  path: string,
  options: CallOptions = {},
): Promise<{ readonly answer: HttpAnswer; json(): JsonObject }> => {
  const url = urlOf(baseUrl, path, options.query);
  const answer = await http.exchange({
    method,
    url,
    headers: {
      ...(options.token === undefined ? {} : { authorization: `Bearer ${options.token}` }),
      ...(options.body === undefined ? {} : { "content-type": options.contentType ?? "application/json" }),
    },
    ...(options.body === undefined ? {} : { body: bytesOf(options.body) }),
    ...(options.timeoutMs === undefined ? {} : { timeoutMs: options.timeoutMs }),
    ...(options.bytesMax === undefined ? {} : { bytesMax: options.bytesMax, tooLarge: "final" }),
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  });
  const json = (): JsonObject => parseAnswer({ method, url, secrets: secretsOf(options) }, answer);
  if (answer.status < 200 || answer.status > 299) json();
  return { answer, json };
};

export const callJson = async (
  http: Http,
  baseUrl: string,
  method: Method,
  path: string,
  options: CallOptions = {},
): Promise<JsonObject> => (await callRaw(http, baseUrl, method, path, options)).json();
