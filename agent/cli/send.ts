// `petrel send`: one message or event into a room of the agent's, through its outbox: it goes out now, or when the link is back.
import { askAgent } from "#agent/control/client.ts";
import { SOCKET_NAME } from "#agent/control/protocol.ts";
import { put } from "#agent/delivery/outbox.ts";
import { CliError, EXIT } from "#agent/exit.ts";
import { asObject, asString, field, parseJson } from "#agent/matrix/json.ts";
import { text } from "#agent/matrix/relations.ts";
import type { JsonObject } from "#agent/matrix/types.ts";
import { checkContent } from "#agent/matrix/validate.ts";
import type { Outside } from "#agent/outside.ts";
import { withStore } from "./offline.ts";
import { loadSetting, type Setting } from "./setting.ts";

export interface SendOptions {
  readonly room: "people" | "data";
  /** Event type; with one, the words are the JSON content. */
  readonly type?: string;
  readonly json: boolean;
}

const contentOf = (body: string, { type }: SendOptions): JsonObject => {
  if (type === undefined) return text(body);
  const content = asObject(parseJson(body));
  if (content === null)
    throw new CliError(
      EXIT.usage,
      'with --type, the content is expected as a JSON object, such as \'{"key":"value"}\'',
    );
  checkContent(content, "content");
  return content;
};

/** Without a running agent it waits in the outbox for the next start. */
const leave = (
  outside: Outside,
  setting: Setting,
  content: JsonObject,
  { room, type }: SendOptions,
): Promise<string> =>
  withStore(outside, setting, async (store, runtime) => {
    const row = store.read((database) =>
      database.prepare("SELECT room_id FROM room WHERE kind = ?").get(room),
    );
    if (row === null)
      throw new CliError(
        EXIT.failed,
        "the agent never ran, so its rooms are not known: `petrel run` makes or joins them",
      );
    const event = {
      lane: "reply" as const,
      roomId: String(row["room_id"]),
      type: type ?? "m.room.message",
      content,
    };
    const txnId = await store.transaction((database) => put(database, store.vault, runtime.random, event));
    await store.durable();
    return txnId;
  });

export const send = async (
  outside: Outside,
  configFile: string | undefined,
  words: readonly string[],
  options: SendOptions,
): Promise<number> => {
  const setting = await loadSetting(outside, configFile);
  const content = contentOf(words.join(" "), options);
  const args = { room: options.room, content, ...(options.type === undefined ? {} : { type: options.type }) };
  const answer = await askAgent(`${setting.stateFolder}/${SOCKET_NAME}`, { verb: "send", args });
  const transactionId =
    answer === null
      ? await leave(outside, setting, content, options)
      : (asString(field(asObject(answer.result) ?? {}, "transactionId")) ?? "");
  const fate =
    answer === null ? "kept; it goes out when the agent runs" : "in the outbox of the running agent";
  outside.stdout.write(
    options.json ? `${JSON.stringify({ transactionId, running: answer !== null })}\n` : `${fate}\n`,
  );
  return 0;
};
