// The command line's side of the control socket.
import { createConnection, type Socket } from "node:net";
import { CliError, EXIT } from "#agent/exit.ts";
import { asInteger, asObject, asString, field, parseJson } from "#agent/matrix/json.ts";
import type { JsonValue } from "#agent/matrix/types.ts";
import { lineSplitter } from "./lines.ts";
import type { ControlRequest } from "./protocol.ts";

const NO_AGENT: ReadonlySet<string> = new Set(["ENOENT", "ECONNREFUSED"]);

/** A connected socket, or null when no agent runs. */
const connect = (path: string): Promise<Socket | null> =>
  new Promise((resolve, reject) => {
    const socket = createConnection(path);
    socket.once("connect", () => resolve(socket));
    socket.once("error", (error: NodeJS.ErrnoException) => {
      if (NO_AGENT.has(error.code ?? "")) resolve(null);
      else if (error.code === "EACCES")
        reject(
          new CliError(EXIT.failed, `${path}: belongs to another user; run this as that user, or as root`),
        );
      else
        reject(new CliError(EXIT.failed, `${path}: cannot ask the agent (${error.code})`, { cause: error }));
    });
  });

/** An answer may hold a whole room's page: bounded, but not as tightly as a request. */
const ANSWER_CHARS_MAX = 16_777_216;

interface Settling {
  resolve(value: JsonValue): void;
  reject(error: Error): void;
}

const takeAnswer = (
  line: string,
  onEvent: (value: JsonValue) => void,
  { reject, resolve }: Settling,
): void => {
  const answer = asObject(parseJson(line)) ?? {};
  const error = asString(field(answer, "error"));
  const event = field(answer, "event");
  if (error !== null) reject(new CliError(asInteger(field(answer, "code")) ?? EXIT.failed, error));
  else if (event !== undefined) onEvent(event);
  else resolve(field(answer, "result") ?? null);
};

const agentGone = (): CliError =>
  new CliError(
    EXIT.failed,
    "the agent closed the connection: it stops, or too many programs ask it at once; try again",
  );

/** Asks the running agent; null when none runs. `onEvent` gets what comes before the result. An aborted signal ends it with the result null. */
export const askAgent = async (
  path: string,
  request: ControlRequest,
  onEvent: (value: JsonValue) => void = () => undefined,
  signal?: AbortSignal,
): Promise<{ readonly result: JsonValue } | null> => {
  const socket = await connect(path);
  if (socket === null) return null;
  try {
    const result = await new Promise<JsonValue>((resolve, reject) => {
      const take = lineSplitter((line) => takeAnswer(line, onEvent, { resolve, reject }), ANSWER_CHARS_MAX);
      socket.setEncoding("utf8");
      socket.on("data", (chunk: string) => take(chunk));
      const closed = (): void => reject(agentGone());
      socket.once("error", closed);
      socket.once("close", closed);
      if (signal?.aborted) resolve(null);
      signal?.addEventListener("abort", () => resolve(null), { once: true });
      socket.write(`${JSON.stringify(request)}\n`);
    });
    return { result };
  } finally {
    socket.destroy();
  }
};
