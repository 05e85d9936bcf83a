// The control socket of a running agent: every verb of the command line that needs the store, the keys or the session goes through it.
import { chmodSync, rmSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { CliError, EXIT, exitCodeOf, messageOf } from "#agent/exit.ts";
import { asObject, asString, field, parseJson } from "#agent/matrix/json.ts";
import type { JsonObject, JsonValue } from "#agent/matrix/types.ts";
import type { Log } from "#agent/runtime.ts";
import { lineSplitter } from "./lines.ts";
import {
  CONTROL_CONNECTIONS_MAX,
  CONTROL_LINE_BYTES_MAX,
  CONTROL_UNREAD_BYTES_MAX,
  type ControlAnswer,
  type ControlRequest,
} from "./protocol.ts";

export interface Exchange {
  /** Sends one more piece of an answer that goes on. */
  event(value: JsonValue): void;
  /** Aborted when the other side has gone. */
  readonly signal: AbortSignal;
}

export type Handler = (args: JsonObject, exchange: Exchange) => Promise<JsonValue>;

export interface ControlServer {
  close(): Promise<void>;
}

const parseRequest = (line: string): ControlRequest | null => {
  const request = asObject(parseJson(line));
  const verb = request === null ? null : asString(field(request, "verb"));
  if (request === null || verb === null) return null;
  return { verb, args: asObject(field(request, "args")) ?? {} };
};

/** Gives the verbs by name: asked at each request, so that a start need not load what nobody may ever ask for. */
export type LoadHandlers = () => Promise<Readonly<Record<string, Handler>>>;

const answer = async (line: string, load: LoadHandlers, exchange: Exchange): Promise<ControlAnswer> => {
  const request = parseRequest(line);
  if (request === null) return { error: "expected one JSON object with a verb", code: EXIT.usage };
  try {
    const handlers = await load();
    const handler = Object.hasOwn(handlers, request.verb) ? handlers[request.verb] : undefined;
    if (handler === undefined)
      throw new CliError(
        EXIT.usage,
        `the running agent does not know "${request.verb}": is it of another version?`,
      );
    return { result: await handler(request.args, exchange) };
  } catch (error) {
    return { error: messageOf(error), code: exitCodeOf(error) };
  }
};

const serve = (socket: Socket, load: LoadHandlers): void => {
  const gone = new AbortController();
  const write = (value: ControlAnswer): void => {
    if (socket.destroyed) return;
    socket.write(`${JSON.stringify(value)}\n`);
    if (socket.writableLength > CONTROL_UNREAD_BYTES_MAX) socket.destroy();
  };
  const exchange: Exchange = { event: (value) => write({ event: value }), signal: gone.signal };
  const take = lineSplitter((line) => {
    void answer(line, load, exchange).then((value) => {
      write(value);
      socket.end();
    });
  });
  socket.setEncoding("utf8");
  socket.on("data", (chunk: string) => {
    if (take(chunk)) return;
    write({ error: `expected a request of at most ${CONTROL_LINE_BYTES_MAX} characters`, code: EXIT.usage });
    socket.destroySoon();
  });
  socket.on("error", () => socket.destroy());
  socket.on("close", () => gone.abort());
};

const listen = (server: Server, path: string): Promise<void> =>
  new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(path, () => {
      chmodSync(path, 0o600);
      resolve();
    });
  });

/** The store's lock is held, so a socket file that is there was left by a process that died. */
export const startControl = async (path: string, load: LoadHandlers, log: Log): Promise<ControlServer> => {
  rmSync(path, { force: true });
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    serve(socket, load);
  });
  server.maxConnections = CONTROL_CONNECTIONS_MAX;
  await listen(server, path);
  log.debug({ path }, "the control socket is open");
  return {
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
};
