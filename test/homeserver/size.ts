// What an event may weigh (Client-Server API, "Size limits"): 65,536 bytes of the whole event as servers exchange it, 255 bytes for each of
// its names. Clients see only `content`; the rest is built here with the lengths that real servers have.
import { canonicalJson, type JsonObject } from "./json.ts";
import type { Profile } from "./profile.ts";
import { badRequest, Refusal } from "./refusal.ts";
import type { Draft } from "./rules.ts";

export const EVENT_BYTES_MAX = 65_536;
const NAME_BYTES_MAX = 255;

const anId = (letter: string): string => `$${letter.repeat(43)}`;

const asFederated = (
  draft: Draft,
  roomId: string,
  depth: number,
  serverName: string,
  ts: number,
): JsonObject => ({
  auth_events: [anId("a"), anId("b"), anId("c")],
  prev_events: [anId("p")],
  content: draft.content,
  depth,
  hashes: { sha256: "h".repeat(43) },
  origin_server_ts: ts,
  room_id: roomId,
  sender: draft.sender,
  signatures: { [serverName]: { "ed25519:a_XXXX": "s".repeat(86) } },
  type: draft.type,
  ...(draft.stateKey === null ? {} : { state_key: draft.stateKey }),
});

/** Throws what the profile's server answers to an event that is too large or has too long a name. */
export const checkSize = (
  profile: Profile,
  draft: Draft,
  place: {
    readonly roomId: string;
    readonly depth: number;
    readonly serverName: string;
    readonly ts: number;
  },
): void => {
  for (const [name, value] of [
    ["type", draft.type],
    ["state_key", draft.stateKey ?? ""],
    ["sender", draft.sender],
  ] as const) {
    if (Buffer.byteLength(value) > NAME_BYTES_MAX) throw badRequest("M_BAD_JSON", `'${name}' is too long`);
  }
  const whole = canonicalJson(asFederated(draft, place.roomId, place.depth, place.serverName, place.ts));
  if (Buffer.byteLength(whole) > EVENT_BYTES_MAX) throw new Refusal(413, profile.tooLarge, "event too large");
};
