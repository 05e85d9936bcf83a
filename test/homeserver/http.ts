// HTTP around the routes: reads a request, asks the faults, authenticates, answers. One socket's troubles never reach another's.
import type { IncomingMessage, ServerResponse } from "node:http";
import { authenticate, userOf } from "./accounts.ts";
import { type Call, findRoute, type Route } from "./call.ts";
import type { FaultKind } from "./faults.ts";
import { isObject, type JsonObject } from "./json.ts";
import type { Limiter } from "./limiter.ts";
import { badRequest, Refusal, type Reply, reply } from "./refusal.ts";
import type { World } from "./world.ts";

/** Larger than any key upload or backup page a client makes. */
const BODY_BYTES_MAX = 16 * 1024 * 1024;

export interface Exchange {
  readonly world: World;
  readonly limiter: Limiter;
  readonly routes: readonly Route[];
  readonly request: IncomingMessage;
  readonly fault: FaultKind | null;
  readonly gone: AbortSignal;
  readonly url: URL;
}

/** Reads at most `bytesMax` + 1 bytes: one more than allowed is enough to refuse. */
const readBody = async (request: IncomingMessage, bytesMax: number): Promise<Buffer> => {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request) {
    const bytes = chunk as Buffer; // no encoding is set, so chunks are buffers
    chunks.push(bytes);
    length += bytes.length;
    if (length > bytesMax) break;
  }
  return Buffer.concat(chunks).subarray(0, bytesMax + 1);
};

const parseBody = (bytes: Buffer, errcode: string): JsonObject => {
  if (bytes.length === 0) return {};
  let parsed: unknown;
  try {
    parsed = JSON.parse(bytes.toString("utf8"));
  } catch {
    throw badRequest(errcode, "Content not JSON.");
  }
  if (!isObject(parsed)) throw badRequest("M_BAD_JSON", "Content must be a JSON object.");
  return parsed;
};

const tokenOf = (request: IncomingMessage, url: URL): string | null => {
  const header = request.headers.authorization;
  if (header?.startsWith("Bearer ") === true) return header.slice("Bearer ".length);
  return url.searchParams.get("access_token");
};

const callOf = (exchange: Exchange, params: Record<string, string>, bytes: Buffer): Call => {
  const { request, url, fault } = exchange;
  let parsed: JsonObject | null = null;
  return {
    world: exchange.world,
    limiter: exchange.limiter,
    method: request.method ?? "GET",
    path: url.pathname,
    params,
    query: url.searchParams,
    headers: request.headers,
    bytes,
    body: () => (parsed ??= parseBody(bytes, exchange.world.profile.notJson)),
    text: () => bytes.toString("utf8"),
    gone: exchange.gone,
    syncFault: {
      repeat: fault?.kind === "duplicate-sync",
      gapLimit: fault?.kind === "gap" ? fault.limit : null,
    },
  };
};

const isReply = (answer: JsonObject | Reply): answer is Reply =>
  typeof answer["status"] === "number" && "headers" in answer;

const run = async (exchange: Exchange): Promise<Reply> => {
  const { request, url, world } = exchange;
  const { route, params } = findRoute(exchange.routes, request.method ?? "GET", url.pathname);
  const session = route.signed === null ? null : authenticate(world, tokenOf(request, url));
  const user = session === null ? null : userOf(world, session.userId);
  exchange.limiter.admit(request.method ?? "GET", url.pathname, session?.deviceId ?? "address", user);
  const bytes = await readBody(request, route.isUpload ? world.profile.mediaBytesMax : BODY_BYTES_MAX);
  const call = callOf(exchange, params, bytes);
  const answer =
    route.signed !== null && session !== null && user !== null
      ? await route.signed({ ...call, session, user })
      : await route.open?.(call);
  if (answer === undefined) throw new Error(`route ${String(route.pattern)} has no handler`);
  return isReply(answer) ? answer : reply(200, answer);
};

/** The answer of the server, its refusals included. */
export const answerOf = async (exchange: Exchange): Promise<Reply> => {
  try {
    return await run(exchange);
  } catch (error) {
    if (error instanceof Refusal) return error.reply;
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    return reply(500, { errcode: "M_UNKNOWN", error: `loopback homeserver: ${text}` });
  }
};

const limitedReply = (fault: FaultKind & { kind: "limited" }): Reply => {
  const body: JsonObject = { errcode: "M_LIMIT_EXCEEDED", error: "Too Many Requests" };
  if (fault.body !== false) body["retry_after_ms"] = fault.retryAfterMs;
  const headers = { "retry-after": String(Math.max(1, Math.ceil(fault.retryAfterMs / 1000))) };
  return reply(429, body, fault.header === false ? {} : headers);
};

/** The reply that a fault puts in the place of the server's, before anything happens; null lets the request through. */
export const faultReply = (fault: FaultKind | null): Reply | null => {
  switch (fault?.kind) {
    case "refused":
      return reply(0, "cut");
    case "limited":
      return limitedReply(fault);
    case "status":
      return reply(fault.status, fault.body ?? { errcode: "M_UNKNOWN", error: "Internal server error" });
    case "html":
      return reply(fault.status ?? 502, Buffer.from("<html><body><h1>502 Bad Gateway</h1></body></html>"), {
        "content-type": "text/html",
      });
    default:
      return null;
  }
};

const payloadOf = (body: Reply["body"]): Buffer =>
  Buffer.isBuffer(body) ? body : Buffer.from(body === null ? "null" : JSON.stringify(body));

/** Writes a reply, or half of it where a fault says so. */
export const write = (
  response: ServerResponse,
  answer: Reply,
  world: World,
  fault: FaultKind | null,
): void => {
  if (answer.body === "cut" || fault?.kind === "answer-lost") {
    response.socket?.destroy();
    return;
  }
  const payload = payloadOf(answer.body);
  response.sendDate = false;
  response.writeHead(answer.status === 499 ? 400 : answer.status, {
    "content-type": "application/json",
    date: new Date(world.now()).toUTCString(),
    "content-length": payload.length,
    ...answer.headers,
  });
  if (fault?.kind !== "cut") {
    response.end(payload);
    return;
  }
  response.write(payload.subarray(0, Math.floor(payload.length / 2)), () => response.socket?.destroy());
};
