// Who sends to the machines of the bench: machines of ours, in memory.
import type { JsonObject } from "#agent/matrix/types.ts";
import { inside } from "#test/crypto/machine/support/loopback.ts";
import { queryAnswer } from "#test/crypto/machine/support/people.ts";
import { makeOurs, type Ours } from "#test/crypto/machine/support/world.ts";
import { type OwnServer, ROTATION_MESSAGES, USER } from "./contestant.ts";

export const ROOM = "!bench:example.org";

/** A machine of ours as whoever sends to a machine: it claims one of its keys and gives it a room's. */
export const senderTo = (server: OwnServer, name: string): { ours: Ours; keyEvent: () => JsonObject } => {
  const ours = makeOurs({
    userId: `@${name}:example.org`,
    deviceId: name.toUpperCase(),
    rotation: { rotationMs: 604_800_000, rotationMessages: ROTATION_MESSAGES },
  });
  const members = [USER];
  const [oneTimeKey] = server.oneTimeKeys;
  if (oneTimeKey === undefined) throw new Error("bench: no one-time key is left");
  server.oneTimeKeys.delete(oneTimeKey[0]);
  const deviceId = [...server.person.devices.keys()][0] ?? "";
  ours.in((calls) => {
    calls.receiveRoomEncryption(ROOM, { algorithm: "m.megolm.v1.aes-sha2", rotation_period_msgs: 10_000 });
    calls.trackUsers(members);
  });
  ours.answerAll("keys-upload", () => ({ one_time_key_counts: { signed_curve25519: 50 } }));
  ours.answerAll("keys-query", () => queryAnswer(server.person));
  const share = (): void =>
    void ours.in((calls) => calls.shareRoomKey(ROOM, { members, strategy: "all", sharedHistory: true }));
  share();
  ours.answerAll("keys-claim", () => ({
    one_time_keys: { [USER]: { [deviceId]: Object.fromEntries([oneTimeKey]) } },
  }));
  share();
  let content: unknown;
  ours.answerAll("to-device", ({ body }) => {
    content = inside(body, "messages", USER)[deviceId];
    return {};
  });
  return {
    ours,
    keyEvent: () => ({ type: "m.room.encrypted", sender: ours.config.userId, content }) as JsonObject,
  };
};

/** The pre-key message with which one more sender gives its room key. */
export const keyEventFor = (server: OwnServer, at: number): JsonObject =>
  senderTo(server, `sender${at}`).keyEvent();
