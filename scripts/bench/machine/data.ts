// Data sets of the bench `machine`, generated: people with devices and identities whose signatures hold, one-time keys, room keys. No real account's.
import { encodeExportedSession } from "#crypto/exported-session.ts";
import { MegolmInboundSession } from "#crypto/megolm/inbound.ts";
import { MegolmOutboundSession } from "#crypto/megolm/outbound.ts";
import { nodeProvider } from "#crypto/provider/node.ts";
import type { JsonObject } from "#crypto/shape.ts";
import { signJson } from "#crypto/signed-json.ts";
import { makeDevice, makePerson, type Person, queryAnswer } from "#test/crypto/machine/support/people.ts";

export interface Population {
  readonly people: ReadonlyMap<string, Person>;
  readonly userIds: readonly string[];
  readonly devices: number;
  /** By user and device: a one-time key, signed. */
  readonly oneTimeKeys: ReadonlyMap<string, ReadonlyMap<string, JsonObject>>;
}

/** `devices` devices, so many to a user, all cross-signed, each with a one-time key. */
export const makePopulation = (name: string, devices: number, each: number): Population => {
  const people = new Map<string, Person>();
  const oneTimeKeys = new Map<string, Map<string, JsonObject>>();
  for (let made = 0; made < devices; ) {
    const person = makePerson(`@${name}${people.size}:example.org`);
    const keys = new Map<string, JsonObject>();
    for (let own = 0; own < each && made < devices; own += 1, made += 1) {
      const deviceId = `DEVICE${made}`;
      const { account } = makeDevice(person, deviceId);
      const [oneTime] = account.generateOneTimeKeys(1).created;
      const { signingKey } = account.exportState();
      const signed = signJson({ key: oneTime?.key ?? "" }, person.userId, `ed25519:${deviceId}`, signingKey);
      keys.set(deviceId, { [`signed_curve25519:${oneTime?.id ?? ""}`]: signed });
    }
    people.set(person.userId, person);
    oneTimeKeys.set(person.userId, keys);
  }
  return { people, userIds: [...people.keys()], devices, oneTimeKeys };
};

const usersOf = (body: JsonObject, name: string): JsonObject => {
  const users = body[name];
  return typeof users === "object" && users !== null ? (users as JsonObject) : {};
};

/** The answer of /keys/query about those of these people that were asked for, and what is known of us. */
export const answerQuery = ({ people }: Population, own: Person, body: JsonObject): string => {
  const asked = Object.keys(usersOf(body, "device_keys"));
  const found = asked.flatMap((userId) => (userId === own.userId ? own : (people.get(userId) ?? [])));
  return JSON.stringify(queryAnswer(...found));
};

/** The answer of /keys/claim. */
export const answerClaim = ({ oneTimeKeys }: Population, body: JsonObject): string => {
  const users = Object.entries(usersOf(body, "one_time_keys")).map(
    ([userId, devices]): [string, JsonObject] => {
      const keys = oneTimeKeys.get(userId);
      // The body is our own request: by device the algorithm.
      const given = Object.keys(devices as JsonObject).map((deviceId): [string, unknown] => [
        deviceId,
        keys?.get(deviceId),
      ]);
      return [userId, Object.fromEntries(given)];
    },
  );
  return JSON.stringify({ one_time_keys: Object.fromEntries(users), failures: {} });
};

/** Room keys as a key file holds them. */
export const makeRoomKeys = (count: number, rooms: number): JsonObject[] =>
  Array.from({ length: count }, (_, at) => {
    const session = MegolmInboundSession.fromSessionKey(
      nodeProvider,
      MegolmOutboundSession.create(nodeProvider).sessionKey(),
    );
    return encodeExportedSession({
      algorithm: "m.megolm.v1.aes-sha2",
      roomId: `!room${at % rooms}:example.org`,
      sessionId: session.sessionId,
      sessionKey: session.exportAt(0),
      senderKey: "FJDbDBxJtAkKl5ZKCIlHfQgSDTUVnIUIUVmT1wvhqUA",
      senderClaimedKeys: { ed25519: "dVvMpOl6RMJGvUdcy3Rm7tNfJW7K4JyOI0YRqkZ1Dxc" },
      forwardingCurve25519KeyChain: [],
      sharedHistory: false,
    });
  });
