// Serves the metrics on the address of the configuration: GET /metrics, nothing else.
import { chmodSync, rmSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { Log } from "#agent/runtime.ts";
import { CONTENT_TYPES, expositionText, type Family, formatFor } from "./exposition.ts";
import { CONNECTIONS_MAX, REQUEST_MS } from "./limits.ts";
import type { ListenAddress } from "./schema.ts";

export interface MetricsServer {
  /** Where it listens: the port that was chosen, where 0 was asked for. */
  readonly address: string;
  close(): Promise<void>;
}

const PLAIN = { "content-type": "text/plain; charset=utf-8" };

const answer = (
  { headers, method, url }: IncomingMessage,
  response: ServerResponse,
  collect: () => readonly Family[],
  log: Log,
): void => {
  if (url?.split("?")[0] !== "/metrics") {
    response.writeHead(404, PLAIN).end("Petrel's metrics are at /metrics\n");
    return;
  }
  if (method !== "GET" && method !== "HEAD") {
    response.writeHead(405, { ...PLAIN, allow: "GET, HEAD" }).end("GET, please\n");
    return;
  }
  const format = formatFor(headers.accept);
  try {
    const text = expositionText(collect(), format);
    response.writeHead(200, { "content-type": CONTENT_TYPES[format] }).end(text);
  } catch (error) {
    log.warn({ error: String(error) }, "the metrics could not be read");
    response.writeHead(503, PLAIN).end("the metrics could not be read; the agent's log says why\n");
  }
};

const listen = (server: Server, address: ListenAddress): Promise<void> =>
  new Promise((resolve, reject) => {
    server.once("error", reject);
    if (address.kind === "tcp") server.listen(address.port, address.host, resolve);
    else {
      // Who opens the store holds its lock, so no other agent of this configuration serves there.
      rmSync(address.path, { force: true });
      server.listen(address.path, () => {
        // Users of the agent's group may read them.
        chmodSync(address.path, 0o660);
        resolve();
      });
    }
  });

const addressOf = (server: Server): string => {
  const address = server.address();
  if (address === null || typeof address === "string") return address ?? "";
  return address.family === "IPv6"
    ? `[${address.address}]:${address.port}`
    : `${address.address}:${address.port}`;
};

/** Rejects where the address cannot be had. */
export const serveMetrics = async (
  address: ListenAddress,
  collect: () => readonly Family[],
  log: Log,
): Promise<MetricsServer> => {
  const server = createServer((request, response) => answer(request, response, collect, log));
  server.maxConnections = CONNECTIONS_MAX;
  server.requestTimeout = REQUEST_MS;
  server.headersTimeout = REQUEST_MS;
  await listen(server, address);
  return {
    address: addressOf(server),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
};
