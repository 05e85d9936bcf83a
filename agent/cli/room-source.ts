// A room for the verbs that read one from its beginning: through the running agent, or with the stored session where none runs.
import { askAgent } from "#agent/control/client.ts";
import { CliError, EXIT } from "#agent/exit.ts";
import { asObject, asString, field } from "#agent/matrix/json.ts";
import type { JsonObject, JsonValue } from "#agent/matrix/types.ts";
import type { Outside } from "#agent/outside.ts";
import { roomIdOf } from "#agent/rooms/follow.ts";
import { clientSource, parsePage, type RoomSource } from "#agent/subscriptions/source.ts";
import { NAMESPACE } from "#agent/upstream.ts";
import { withSession, withStore } from "./offline.ts";
import { mustHaveRun, ownRoom } from "./own-room.ts";
import { type Setting, socketOf } from "./setting.ts";

/** Asks the agent; null where none runs. */
type Ask = (verb: string, args: JsonObject) => Promise<JsonValue | null>;

const askerOf =
  (setting: Setting): Ask =>
  async (verb, args) =>
    (await askAgent(socketOf(setting), { verb, args }))?.result ?? null;

const mustAnswer = (answer: JsonValue | null): JsonValue => {
  if (answer === null)
    throw new CliError(EXIT.failed, "the agent stopped while the room was read; run it again");
  return answer;
};

/** Its content is all that the agent needs to fetch an attachment: address and keys. */
const wholeFile = async (ask: Ask, content: JsonObject): Promise<Uint8Array> => {
  const pieces: Buffer[] = [];
  let at = 0;
  for (;;) {
    const answer = asObject(mustAnswer(await ask("file", { content, at }))) ?? {};
    const piece = Buffer.from(asString(field(answer, "data")) ?? "", "base64");
    pieces.push(piece);
    at += piece.length;
    const { size } = answer;
    if (piece.length === 0 || typeof size !== "number" || at >= size) return Buffer.concat(pieces);
  }
};

const agentSource = (ask: Ask, room: string | undefined): RoomSource => ({
  page: async (from) => {
    const args = { ...(room === undefined ? {} : { room }), ...(from === null ? {} : { from }) };
    return parsePage(mustAnswer(await ask("page", args)));
  },
  file: ({ encrypted, url }) => wholeFile(ask, encrypted === null ? { url } : { file: encrypted }),
});

const ownDataRoom = (outside: Outside, setting: Setting): Promise<string> => {
  mustHaveRun(setting, "data");
  return withStore(outside, setting, (store) => Promise.resolve(ownRoom(store, setting, "data")));
};

/** Works on a room of the agent's account: its data room, or the one that is named by ID or alias. */
export const withRoom = async <T>(
  outside: Outside,
  setting: Setting,
  room: string | undefined,
  work: (source: RoomSource) => Promise<T>,
): Promise<T> => {
  const ask = askerOf(setting);
  if ((await ask("status", {})) !== null) return work(agentSource(ask, room));
  const named = room ?? (await ownDataRoom(outside, setting));
  return withSession(outside, setting, {}, async ({ client: plain, runtime, session, store }) => {
    await session.verify();
    const { readingClient, readWithStore } = await import("#agent/encryption/reader.ts");
    const client = readingClient(plain, (events) => readWithStore(store, runtime, session, events));
    return work(clientSource(client, await roomIdOf(client, named), NAMESPACE));
  });
};
