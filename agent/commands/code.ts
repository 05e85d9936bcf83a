// A message that is a code and nothing else: the answer to "do you really want that" (confirmation.ts). As plain text, behind the prefix or a mention, or as
// a reply. A reaction is never one: clients send those in clear.
import { asObject, asString, field } from "#agent/matrix/json.ts";
import { relationOf } from "#agent/matrix/relations.ts";
import type { RoomEvent } from "#agent/matrix/types.ts";
import { CODE_DIGITS } from "./limits.ts";
import type { CommandRequest, Listening } from "./request.ts";

/** The name that such a row of the inbox has: no command can be called so. */
export const CODE = "#code";

const DIGITS = new RegExp(`^\\d{${CODE_DIGITS}}$`);

/** Clients of before 2025 repeat what is answered ("> ..."), and an empty line after it. */
const withoutQuote = (body: string): string => body.replace(/^(?:>.*\n)+\n?/, "");

/** What is left without the prefix, or a name of ours. */
const withoutAddress = (text: string, { prefix, userId }: Listening): string => {
  const localpart = userId.slice(1, userId.indexOf(":"));
  const name = [prefix, userId, `@${localpart}`, localpart].find((one) => text.startsWith(one));
  return name === undefined ? text : text.slice(name.length).replace(/^[\s:,]+/, "");
};

/** Null: something else. `named.addressed`: it was plainly meant for us, so that it is answered even where no command waits. */
export const parseCode = (event: RoomEvent, listening: Listening): CommandRequest | null => {
  const { content, sender, stateKey, type } = event;
  const body = asString(field(content, "body"));
  if (type !== "m.room.message" || sender === listening.userId || stateKey !== undefined || body === null)
    return null;
  if (asString(field(content, "msgtype")) !== "m.text" || relationOf(content)?.type === "m.replace")
    return null;
  const said = withoutQuote(body).trim();
  const code = withoutAddress(said, listening).trim();
  if (!DIGITS.test(code)) return null;
  const isReply = asObject(field(asObject(field(content, "m.relates_to")) ?? {}, "m.in_reply_to")) !== null;
  return { name: CODE, words: [code], named: code !== said || isReply ? { addressed: "yes" } : {} };
};
