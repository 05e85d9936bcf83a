// The listening half: sockets, the request log, faults that touch a whole exchange, going away and coming back on the same port.
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { RequestRecord } from "./api.ts";
import type { Route } from "./call.ts";
import type { FaultBook, FaultKind } from "./faults.ts";
import { answerOf, faultReply, write } from "./http.ts";
import type { Limiter } from "./limiter.ts";
import { type Reply, reply } from "./refusal.ts";
import { type WellKnown, wellKnownReply } from "./well-known.ts";
import { notice, type World } from "./world.ts";

const REQUESTS_KEPT_MAX = 20_000;

export interface ServingParts {
  readonly world: World;
  readonly limiter: Limiter;
  readonly faults: FaultBook;
  readonly routes: readonly Route[];
  readonly wellKnown: () => WellKnown;
}

export interface Serving {
  readonly url: () => string;
  readonly log: readonly RequestRecord[];
  readonly online: () => Promise<void>;
  readonly offline: () => Promise<void>;
}

const CUT: Reply = reply(0, "cut");

/** Resolves after `delayMs`, or at once when the other side is gone. */
const pause = (delayMs: number, gone: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    const finish = (): void => {
      clearTimeout(timer);
      gone.removeEventListener("abort", finish);
      resolve();
    };
    const timer = delayMs === Number.POSITIVE_INFINITY ? undefined : setTimeout(finish, delayMs);
    if (gone.aborted) finish();
    else gone.addEventListener("abort", finish);
  });

const listen = async (server: Server, port: number): Promise<number> => {
  server.listen(port, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("homeserver: no TCP address");
  return address.port;
};

const close = async (server: Server | null): Promise<void> => {
  if (server?.listening !== true) return;
  const closed = once(server, "close");
  server.close();
  server.closeAllConnections();
  await closed;
};

interface Incoming {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly fault: FaultKind | null;
  readonly gone: AbortSignal;
  readonly self: string;
}

const exchange = async (parts: ServingParts, incoming: Incoming): Promise<Reply> => {
  const { request, response, fault, gone, self } = incoming;
  if (fault?.kind === "slow") await pause(fault.delayMs, gone);
  if (fault?.kind === "stall") await pause(Number.POSITIVE_INFINITY, gone);
  const url = new URL(request.url ?? "/", self);
  const early =
    fault?.kind === "stall" ? CUT : (wellKnownReply(parts.wellKnown(), url, self) ?? faultReply(fault));
  const { world, limiter, routes } = parts;
  const answer = early ?? (await answerOf({ world, limiter, routes, request, fault, gone, url }));
  write(response, answer, world, fault);
  return fault?.kind === "answer-lost" ? CUT : answer;
};

const recordOf = (request: IncomingMessage, at: number): RequestRecord => {
  const [path = "/", query = ""] = (request.url ?? "/").split("?");
  return { method: request.method ?? "GET", path, query, at, fault: null, status: null };
};

export const createServing = (parts: ServingParts): Serving => {
  const log: RequestRecord[] = [];
  let server: Server | null = null;
  let port = 0;
  let stopping = new AbortController();
  const url = (): string => `http://127.0.0.1:${port}`;

  const handle = (request: IncomingMessage, response: ServerResponse): void => {
    const record = recordOf(request, parts.world.now());
    log.push(record);
    if (log.length > REQUESTS_KEPT_MAX) log.shift();
    const fault = parts.faults.take(record.method, record.path);
    record.fault = fault?.kind ?? null;
    notice(parts.world);
    const hungUp = new AbortController();
    response.once("close", () => hungUp.abort());
    const gone = AbortSignal.any([hungUp.signal, stopping.signal]);
    exchange(parts, { request, response, fault, gone, self: url() })
      .then((answer) => {
        record.status = answer.status;
        notice(parts.world);
      })
      .catch(() => response.socket?.destroy());
  };

  return {
    url,
    log,
    online: async () => {
      stopping = new AbortController();
      server = createServer({ keepAliveTimeout: 60_000 }, handle);
      port = await listen(server, port);
    },
    offline: async () => {
      stopping.abort();
      await close(server);
    },
  };
};
