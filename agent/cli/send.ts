// `petrel send`: one message or event into a room of the agent's, through its outbox: it goes out now, or when the link is back.
import { askAgent } from "#agent/control/client.ts";
import { put } from "#agent/delivery/outbox.ts";
import { CliError, EXIT } from "#agent/exit.ts";
import { asObject, asString, field, parseJson } from "#agent/matrix/json.ts";
import { text } from "#agent/matrix/relations.ts";
import { type JsonObject, MatrixError } from "#agent/matrix/types.ts";
import { checkEvent } from "#agent/matrix/validate.ts";
import type { Outside } from "#agent/outside.ts";
import { withStore } from "./offline.ts";
import { mustHaveRun, ownRoom } from "./own-room.ts";
import { loadSetting, type Setting, socketOf } from "./setting.ts";

export interface SendOptions {
  readonly room: "people" | "data";
  /** Event type; with one, the words are the JSON content. */
  readonly type?: string;
  readonly json?: boolean;
}

const TEXT_TYPE = "m.room.message";

const contentOf = (body: string, { type }: SendOptions): JsonObject => {
  if (type === undefined) {
    if (body.trim() === "") throw new CliError(EXIT.usage, "expected a message, found nothing to send");
    return text(body);
  }
  const content = asObject(parseJson(body));
  if (content === null)
    throw new CliError(
      EXIT.usage,
      'with --type, the content is expected as a JSON object, such as \'{"key":"value"}\'',
    );
  return content;
};

/** Said now rather than by an agent that sets the event aside later: what no homeserver would take. */
const checkSendable = (content: JsonObject, type: string): void => {
  try {
    checkEvent({ roomId: "", sender: "", type, content });
  } catch (error) {
    if (error instanceof MatrixError) throw new CliError(EXIT.usage, error.message, { cause: error });
    throw error;
  }
};

/** Without a running agent it waits in the outbox for the next start. */
const leave = (
  outside: Outside,
  setting: Setting,
  room: SendOptions["room"],
  type: string,
  content: JsonObject,
): Promise<string> => {
  mustHaveRun(setting, room);
  return withStore(outside, setting, async (store, runtime) => {
    const event = { lane: "reply" as const, roomId: ownRoom(store, setting, room), type, content };
    const txnId = await store.transaction((database) => put(database, store.vault, runtime.random, event));
    await store.durable();
    return txnId;
  });
};

export const send = async (
  outside: Outside,
  configFile: string | undefined,
  words: readonly string[],
  options: SendOptions,
): Promise<number> => {
  const setting = await loadSetting(outside, configFile);
  const type = options.type ?? TEXT_TYPE;
  const content = contentOf(words.join(" "), options);
  checkSendable(content, type);
  const answer = await askAgent(socketOf(setting), {
    verb: "send",
    args: { room: options.room, type, content },
  });
  const transactionId =
    answer === null
      ? await leave(outside, setting, options.room, type, content)
      : (asString(field(asObject(answer.result) ?? {}, "transactionId")) ?? "");
  const fate =
    answer === null ? "kept; it goes out when the agent runs" : "in the outbox of the running agent";
  outside.stdout.write(
    options.json ? `${JSON.stringify({ transactionId, running: answer !== null })}\n` : `${fate}\n`,
  );
  return 0;
};
