// Refusing here what a homeserver would refuse (Client-Server API, "Size limits"; Appendices, "Canonical JSON"): a clear line with the place in the event,
// before a reading waits in a queue for an answer that can never be good. What passes here, servers take; the size is reckoned with the largest envelope.
import { CONTENT_DEPTH_MAX, ENVELOPE_BYTES_MAX, EVENT_BYTES_MAX, IDENTIFIER_BYTES_MAX } from "./limits.ts";
import { type JsonObject, type JsonValue, MatrixError } from "./types.ts";

export interface Draft {
  readonly roomId: string;
  readonly sender: string;
  readonly type: string;
  readonly stateKey?: string;
  readonly content: JsonObject;
}

const refuse = (path: string, text: string, errcode: string): never => {
  throw new MatrixError("local", `${path}: ${text}`, { errcode });
};

const badJson = (path: string, text: string): never => refuse(path, text, "M_BAD_JSON");

const checkNumber = (value: number, path: string): void => {
  if (!Number.isInteger(value))
    badJson(path, `expected an integer, got ${value}: events hold no fractions, send a decimal string`);
  if (!Number.isSafeInteger(value))
    badJson(path, `expected an integer within 2^53-1 of zero, got ${value}: send a decimal string`);
};

const checkText = (value: string, path: string): void => {
  if (!value.isWellFormed()) badJson(path, "expected Unicode text, got half of a surrogate pair");
};

// A key as it may stand in a path: short, and plain text in any case.
const shown = (key: string): string => key.toWellFormed().slice(0, 60);

const checkList = (list: readonly unknown[], path: string, depth: number): void => {
  for (const [index, entry] of list.entries()) checkValue(entry, `${path}[${index}]`, depth + 1);
};

const checkObject = (value: object, path: string, depth: number): void => {
  for (const [key, entry] of Object.entries(value)) {
    const place = `${path}.${shown(key)}`;
    checkText(key, place);
    // JSON.stringify leaves such a field out.
    if (entry !== undefined) checkValue(entry, place, depth + 1);
  }
};

// Takes anything: what a caller's types promise is not what a template or a payload brings.
const checkValue = (value: unknown, path: string, depth: number): void => {
  if (depth > CONTENT_DEPTH_MAX) badJson(path, `expected at most ${CONTENT_DEPTH_MAX} levels, got more`);
  if (value === null || typeof value === "boolean") return;
  if (typeof value === "number") checkNumber(value, path);
  else if (typeof value === "string") checkText(value, path);
  else if (Array.isArray(value)) checkList(value, path, depth);
  else if (typeof value === "object") checkObject(value, path, depth);
  else badJson(path, `expected JSON, got a ${typeof value}`);
};

/** Throws a `MatrixError` "local" that names the place of the first value no event may hold. `path` is what the places begin with. */
export const checkContent = (content: JsonObject, path = "content"): void => checkValue(content, path, 0);

/** A room, event, user or transaction ID, a type or a state key. */
export const checkIdentifier = (value: string, path: string): void => {
  checkText(value, path);
  const bytes = Buffer.byteLength(value, "utf8");
  if (bytes > IDENTIFIER_BYTES_MAX)
    refuse(path, `expected at most ${IDENTIFIER_BYTES_MAX} bytes, got ${bytes}`, "M_TOO_LARGE");
};

const jsonBytes = (value: JsonValue): number => Buffer.byteLength(JSON.stringify(value), "utf8");

/** The most that the event can weigh on its way between servers, in bytes. */
export const eventBytes = (draft: Draft): number =>
  ENVELOPE_BYTES_MAX +
  jsonBytes(draft.content) +
  jsonBytes(draft.roomId) +
  jsonBytes(draft.sender) +
  jsonBytes(draft.type) +
  (draft.stateKey === undefined ? 0 : jsonBytes(draft.stateKey));

/** Throws a `MatrixError` "local" when no server would take this event. */
export const checkEvent = (draft: Draft): void => {
  checkIdentifier(draft.roomId, "room_id");
  checkIdentifier(draft.sender, "sender");
  checkIdentifier(draft.type, "type");
  if (draft.stateKey !== undefined) checkIdentifier(draft.stateKey, "state_key");
  checkContent(draft.content);
  const bytes = eventBytes(draft);
  if (bytes > EVENT_BYTES_MAX)
    refuse(
      "content",
      `expected an event of at most ${EVENT_BYTES_MAX} bytes, got up to ${bytes} (of which ${ENVELOPE_BYTES_MAX} for what the server adds)`,
      "M_TOO_LARGE",
    );
};
