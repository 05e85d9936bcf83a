// What a room event asks for: a command as text ("!petrel relay on", "@drone:hs relay on", plain in the device's own room) or as a structured event
// (`<namespace>.command`). Anything else is null: people talk in that room too.
import { asObject, asString, field } from "#agent/matrix/json.ts";
import { mentionedUsers, relationOf } from "#agent/matrix/relations.ts";
import type { JsonObject, RoomEvent } from "#agent/matrix/types.ts";
import { COMMAND_CHARS_MAX, COMMAND_WORDS_MAX } from "./limits.ts";

export interface CommandRequest {
  readonly name: string;
  /** In order, for a command that came as text. */
  readonly words: readonly string[];
  /** By name, for one that came as a structured event. */
  readonly named: Readonly<Record<string, string>>;
}

export interface Listening {
  readonly prefix: string;
  readonly userId: string;
  readonly namespace: string;
  /** In a room of the device's own nothing needs to stand before a command. */
  readonly bare: boolean;
}

/** Splits like a shell does, without being one: spaces part, quotes join. Null if a quote stays open. */
export const splitWords = (text: string): string[] | null => {
  const words: string[] = [];
  const pattern = /\s*(?:"((?:[^"\\]|\\.)*)"|'([^']*)'|([^\s"']+))/gy;
  const end = text.trimEnd().length;
  while (pattern.lastIndex < end) {
    const match = pattern.exec(text);
    if (match === null) return null;
    words.push(match[1]?.replace(/\\(.)/g, "$1") ?? match[2] ?? match[3] ?? "");
  }
  return words;
};

/** What stands behind the prefix or the mention; null if the text is not addressed to us. */
const addressed = (body: string, content: JsonObject, { prefix, userId, bare }: Listening): string | null => {
  const text = body.trim();
  if (text === prefix || text.startsWith(`${prefix} `)) return text.slice(prefix.length);
  const localpart = userId.slice(1, userId.indexOf(":"));
  for (const name of [userId, `@${localpart}`, localpart])
    if (text.startsWith(`${name}:`) || text.startsWith(`${name} `))
      return text.slice(name.length).replace(/^:/, "");
  // A pill shows a display name that we do not know; the mention itself says that we are meant.
  if (mentionedUsers(content).includes(userId)) return text.replace(/^\S+\s*:?/, "");
  return bare ? text : null;
};

const textRequest = (content: JsonObject, listening: Listening): CommandRequest | null => {
  const body = asString(field(content, "body"));
  if (asString(field(content, "msgtype")) !== "m.text" || body === null || body.length > COMMAND_CHARS_MAX)
    return null;
  if (relationOf(content)?.type === "m.replace") return null;
  const rest = addressed(body, content, listening);
  const words = rest === null ? null : splitWords(rest);
  if (words === null || words.length > COMMAND_WORDS_MAX) return null;
  const [name = "help", ...others] = words;
  return { name: name.toLowerCase(), words: others, named: {} };
};

const structuredRequest = (content: JsonObject): CommandRequest | null => {
  const name = asString(field(content, "name"));
  if (field(content, "v") !== 1 || name === null) return null;
  const args = asObject(field(content, "args")) ?? {};
  const named = Object.entries(args).flatMap(([key, value]) =>
    typeof value === "string" || typeof value === "number" || typeof value === "boolean"
      ? [[key, String(value)] as const]
      : [],
  );
  return { name, words: [], named: Object.fromEntries(named) };
};

export const parseRequest = (event: RoomEvent, listening: Listening): CommandRequest | null => {
  if (event.sender === listening.userId || event.stateKey !== undefined) return null;
  if (event.type === `${listening.namespace}.command`) return structuredRequest(event.content);
  return event.type === "m.room.message" ? textRequest(event.content, listening) : null;
};
