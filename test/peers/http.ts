// An independent client in plain HTTP: nothing of the agent's. For the contract suite, and for acceptance tests that count what arrived on the
// server rather than what a client says. Clauses: Client-Server API, "Sending events", "Syncing", "Getting events for a room".
import { type IncomingHttpHeaders, type IncomingMessage, request } from "node:http";

export type Json = null | boolean | number | string | Json[] | JsonObject;
export interface JsonObject {
  [key: string]: Json;
}

export interface Answer {
  readonly status: number;
  /** The body as JSON; `null` where it was `null` or no JSON. */
  readonly json: Json;
  readonly text: string;
  readonly bytes: Buffer;
  readonly headers: IncomingHttpHeaders;
}

export interface CallOptions {
  readonly token?: string | null;
  readonly query?: Readonly<Record<string, string | number>>;
  readonly body?: JsonObject;
  /** Sent as it is; wins over `body`. */
  readonly raw?: string | Uint8Array;
  readonly contentType?: string;
  /** Send the body so many ms after the headers: a server that judges by the length then answers before it is cut off. */
  readonly bodyAfterMs?: number;
  readonly signal?: AbortSignal;
}

export interface ReadEvent {
  readonly event_id: string;
  readonly type: string;
  readonly sender: string;
  readonly origin_server_ts: number;
  readonly content: JsonObject;
  readonly state_key?: string;
  readonly unsigned?: JsonObject;
}

const parse = (text: string): Json => {
  try {
    return JSON.parse(text) as Json; // what JSON.parse gives is JSON
  } catch {
    return null;
  }
};

const send = (target: URL, method: string, options: CallOptions): Promise<Answer> =>
  new Promise((resolve, reject) => {
    const body = options.raw ?? (options.body === undefined ? undefined : JSON.stringify(options.body));
    const headers: Record<string, string> = { "content-type": options.contentType ?? "application/json" };
    if (typeof options.token === "string") headers["authorization"] = `Bearer ${options.token}`;
    if (body !== undefined) headers["content-length"] = String(Buffer.byteLength(body));
    const more = options.signal === undefined ? {} : { signal: options.signal };
    const outgoing = request(target, { method, headers, agent: false, ...more }, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("error", reject);
      response.on("end", () => resolve(answerOf(response, Buffer.concat(chunks))));
    });
    outgoing.on("error", reject);
    if (options.bodyAfterMs === undefined) {
      outgoing.end(body);
      return;
    }
    outgoing.flushHeaders();
    const timer = setTimeout(() => outgoing.end(body), options.bodyAfterMs);
    outgoing.once("close", () => clearTimeout(timer));
  });

const answerOf = (response: IncomingMessage, bytes: Buffer): Answer => {
  const text = bytes.toString("utf8");
  return { status: response.statusCode ?? 0, json: parse(text), text, bytes, headers: response.headers };
};

/** One request on a connection of its own, no retry, no judgement. Rejects when the socket dies before the answer is whole. */
export const call = (
  url: string,
  method: string,
  path: string,
  options: CallOptions = {},
): Promise<Answer> => {
  const target = new URL(`${url}${path}`);
  for (const [key, value] of Object.entries(options.query ?? {})) target.searchParams.set(key, String(value));
  return send(target, method, options);
};

export const isObject = (value: unknown): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** `at(json, "rooms", "join", roomId)`: a member deep inside, or null. */
export const at = (json: Json, ...path: readonly (string | number)[]): Json => {
  let here: Json = json;
  for (const step of path) {
    if (Array.isArray(here) && typeof step === "number") here = here[step] ?? null;
    else if (isObject(here)) here = here[step] ?? null;
    else return null;
  }
  return here;
};

export const list = (json: Json, ...path: readonly (string | number)[]): Json[] => {
  const found = at(json, ...path);
  return Array.isArray(found) ? found : [];
};

export const text = (json: Json, ...path: readonly (string | number)[]): string => {
  const found = at(json, ...path);
  return typeof found === "string" ? found : "";
};

const PAGE = 100;
const PAGES_MAX = 10_000;

/** Every event of a room that `token` may see, oldest first, by paging /messages to the end. Throws on any answer but 200. */
export const readRoom = async (url: string, token: string, roomId: string): Promise<ReadEvent[]> => {
  // By event ID: Dendrite shows the first event of a room twice.
  const events = new Map<string, ReadEvent>();
  let from: string | null = null;
  for (let page = 0; page < PAGES_MAX; page += 1) {
    const query: Record<string, string | number> = {
      dir: "b",
      limit: PAGE,
      ...(from === null ? {} : { from }),
    };
    const answer = await call(url, "GET", `/_matrix/client/v3/rooms/${encodeURIComponent(roomId)}/messages`, {
      token,
      query,
    });
    if (answer.status !== 200)
      throw new Error(`readRoom: expected 200, got ${answer.status} ${answer.text.slice(0, 200)}`);
    for (const event of list(answer.json, "chunk") as unknown as ReadEvent[])
      events.set(event.event_id, event); // the API promises room events
    const end = text(answer.json, "end");
    if (end === "" || end === from) return [...events.values()].reverse();
    from = end;
  }
  throw new Error(`readRoom: more than ${PAGES_MAX} pages`);
};

/** The events of a type, in order; a convenience over `readRoom`. */
export const readType = async (
  url: string,
  token: string,
  roomId: string,
  type: string,
): Promise<ReadEvent[]> => (await readRoom(url, token, roomId)).filter((event) => event.type === type);
