// Decrypting an Olm message: which session, once only, on copies. What the plaintext is worth is the business of check.ts.
import { decodeBase64, encodeBase64 } from "../../base64.ts";
import { CryptoError } from "../../errors.ts";
import { OlmAccount } from "../../olm/account.ts";
import { decodePreKeyMessage } from "../../olm/message.ts";
import type { OlmMessage, OlmSession } from "../../olm/session.ts";
import { encodeUtf8, isJsonObject, type JsonObject, member } from "../../shape.ts";
import { OLM_ALGORITHM, ownKeys } from "../account/device-keys.ts";
import { type Context, nextNumber, ownAccount, updateAccount } from "../context.ts";
import { OLM_BODY_CHARS_MAX, REQUEST_NUMBER_DIGITS, SEEN_MESSAGES_MAX, SEEN_MESSAGES_MS } from "../limits.ts";
import { keepOlmSession, olmSessions, openOlmSession } from "./sessions.ts";

/** An `m.room.encrypted` to-device message for us, read but not decrypted. */
export interface OlmCiphertext {
  readonly senderKey: string;
  readonly message: OlmMessage;
}

/** @throws CryptoError FORMAT when it is not Olm, or not for us */
export function readOlmContent(context: Context, content: JsonObject): OlmCiphertext {
  // Megolm to a device would let a room's member speak as any device (CVE-2022-39251): one algorithm is taken here, and only this.
  if (member(content, "algorithm") !== OLM_ALGORITHM)
    throw new CryptoError("FORMAT", "to-device message: it is not Olm");
  const senderKey = member(content, "sender_key");
  const all = member(content, "ciphertext");
  const ours = isJsonObject(all) ? member(all, ownKeys(ownAccount(context)).curve25519) : undefined;
  if (typeof senderKey !== "string" || !isJsonObject(ours)) {
    throw new CryptoError("FORMAT", "to-device message: it holds nothing for this device");
  }
  const [type, body] = [member(ours, "type"), member(ours, "body")];
  if ((type !== 0 && type !== 1) || typeof body !== "string" || body.length > OLM_BODY_CHARS_MAX) {
    throw new CryptoError(
      "FORMAT",
      "to-device message: expected type 0 or 1 and a body of a message's length",
    );
  }
  // One text for one key: whatever else decodes to it is another group of sessions, and must not be.
  return { senderKey: encodeBase64(decodeBase64(senderKey)), message: { type, body } };
}

/** Whether this very message was taken before. Remembers it if not. */
export function isRepeated(context: Context, { senderKey, message }: OlmCiphertext): boolean {
  const text = `${senderKey}|${message.type}|${message.body}`;
  return context.rows.get("seen", "", hashOf(context, text)) !== null;
}

export function rememberMessage(context: Context, { senderKey, message }: OlmCiphertext): void {
  const { rows, nowMs } = context;
  const hash = hashOf(context, `${senderKey}|${message.type}|${message.body}`);
  const place = nextNumber(context, "seen");
  rows.put("seen", "", hash, { atMs: nowMs, other: placeName(place) });
  rows.put("seen", "order", placeName(place), { atMs: nowMs, other: hash });
  forgetOldest(context, place);
}

/** Drops what is older than a repetition can be, or one too many: two at most, as one is added. */
function forgetOldest(context: Context, newest: number): void {
  const first = context.rows.get("counter", "", "seen.first")?.next ?? 1;
  let next = first;
  while (next < newest && next < first + 2) {
    const row = context.rows.get("seen", "order", placeName(next));
    const old = row === null || context.nowMs - row.atMs >= SEEN_MESSAGES_MS;
    if (!old && newest - next < SEEN_MESSAGES_MAX) break;
    if (row !== null) forget(context, placeName(next), row.other);
    next += 1;
  }
  if (next !== first) context.rows.put("counter", "", "seen.first", { next });
}

function placeName(place: number): string {
  return String(place).padStart(REQUEST_NUMBER_DIGITS, "0");
}

function forget({ rows }: Context, place: string, hash: string): void {
  rows.delete("seen", "order", place);
  rows.delete("seen", "", hash);
}

function hashOf({ provider }: Context, text: string): string {
  return encodeBase64(provider.sha256(encodeUtf8(text)));
}

/**
 * The plaintext. A pre-key message of a session that we have is decrypted there; only one of no session begins a new one, which costs the one-time key.
 * @throws CryptoError as `OlmSession.decrypt` and `OlmAccount.createInboundSession`; nothing has changed then
 */
export function decryptOlm(context: Context, { senderKey, message }: OlmCiphertext): Uint8Array {
  const sessions = olmSessions(context, senderKey);
  let last: CryptoError | null = null;
  for (const { row } of sessions) {
    const session = openOlmSession(context, row);
    if (message.type === 0 && !session.matches(message.body)) continue;
    try {
      const plaintext = session.decrypt(message);
      keepOlmSession(context, senderKey, session, { ...row, receivedAtMs: context.nowMs });
      return plaintext;
    } catch (error) {
      if (!(error instanceof CryptoError)) throw error;
      // A pre-key message belongs to one session: what does not decrypt there begins no other.
      if (message.type === 0) throw error;
      last ??= error;
    }
  }
  if (message.type === 0) return decryptFirst(context, senderKey, message);
  throw last ?? new CryptoError("MISSING_KEY", "Olm message: there is no session with its sender");
}

function decryptFirst(context: Context, senderKey: string, message: OlmMessage): Uint8Array {
  const row = ownAccount(context);
  const account = new OlmAccount(context.provider, row.account);
  const { session, plaintext } = account.createInboundSession(senderKey, message.body);
  const usedFallback = row.fallback.firstUsedAtMs === null && usesFallback(context, message.body);
  const fallback = usedFallback ? { ...row.fallback, firstUsedAtMs: context.nowMs } : row.fallback;
  updateAccount(context, { account: account.exportState(), fallback });
  keepNew(context, senderKey, session);
  return plaintext;
}

function keepNew(context: Context, senderKey: string, session: OlmSession): void {
  keepOlmSession(context, senderKey, session, { createdAtMs: context.nowMs, receivedAtMs: context.nowMs });
}

/** Whether a pre-key message is under our present fallback key: from then on the previous one's hour runs. */
function usesFallback(context: Context, preKeyBody: string): boolean {
  const { fallbackKey } = ownAccount(context).account;
  if (fallbackKey === null) return false;
  const { oneTimeKey } = decodePreKeyMessage(decodeBase64(preKeyBody));
  return context.provider.equal(fallbackKey.pair.publicKey, oneTimeKey);
}
