// The two things that the machine's requests need of somebody else: an answer to a server that asks who is there, and the outbox for events of rooms.
import { deliveredAs, forgetDelivered, isWaiting, put } from "#agent/delivery/outbox.ts";
import type { JsonObject } from "#agent/matrix/types.ts";
import type { Database } from "#agent/store/store.ts";
import { passwordAuth } from "#crypto/machine/cross-signing/authentication.ts";
import type { Request } from "#crypto/machine/requests.ts";
import { fromCrypto } from "./access.ts";
import type { EngineOptions } from "./engine.ts";

/** `auth` for the server's challenge, with the account's password; null where that is not what it wants, or there is none. */
export const answerChallenge = (
  { client, password, runtime }: Pick<EngineOptions, "client" | "password" | "runtime">,
  challenge: JsonObject,
): JsonObject | null => {
  const auth = password === null ? null : passwordAuth(challenge, { userId: client.userId, password });
  if (auth !== null) return fromCrypto(auth);
  runtime.log.warn(
    {},
    "encryption: the homeserver wants a person to approve this account's first cross-signing keys: sign in with a password once, or verify this device from another one",
  );
  return null;
};

/** Under what an event of the machine's own is remembered until the machine knows its ID. */
const MACHINE = "machine ";

/** The machine has taken the answer: nobody asks for the event's ID any more. */
export const forgetAnswered = (database: Database, { id, room }: Request): void => {
  if (room !== undefined) forgetDelivered(database, `${MACHINE}${id}`);
};

/** At the start: what is remembered for requests that the machine has taken back since. */
export const forgetTaken = (database: Database, underWay: readonly Request[]): void => {
  const wanted = new Set(underWay.map(({ id }) => `${MACHINE}${id}`));
  const kept = database
    .prepare("SELECT reference FROM outbox_delivered WHERE substr(reference, 1, ?) = ?")
    .all(MACHINE.length, MACHINE);
  for (const { reference } of kept)
    if (typeof reference === "string" && !wanted.has(reference)) forgetDelivered(database, reference);
};

/** An event of the machine's own goes the way of all events; its ID is known once it was accepted, null before. */
export const deliverRoomEvent = async (
  { runtime, store, wake }: Pick<EngineOptions, "runtime" | "store" | "wake">,
  { body, id, room }: Request,
): Promise<string | null> => {
  if (room === undefined || body === null) return null;
  const { roomId, type } = room;
  const reference = `${MACHINE}${id}`;
  const eventId = await store.transaction((database) => {
    const known = deliveredAs(database, reference);
    if (known !== null || isWaiting(database, reference)) return known;
    const content = fromCrypto(body);
    put(database, store.vault, runtime.random, { lane: "reply", roomId, type, content, reference });
    return null;
  });
  await store.durable();
  wake();
  return eventId;
};
