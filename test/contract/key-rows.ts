// Keys: what servers do with what encryption needs. No cryptography here, as none is in the servers: shapes only.
// Client-Server API, "End-to-end encryption".
import { type Answer, at, isObject, type Json, type JsonObject, list, text } from "#test/peers/http.ts";
import {
  all,
  type Client,
  createRoom,
  inRoom,
  nextBatch,
  type Row,
  row,
  sync,
  syncUntil,
  V3,
  verdict,
} from "./contract.ts";
import { newSigningKey, type SigningKey, signed } from "./signing.ts";

const key = (letter: string): string => letter.repeat(43);

const signedKey = (client: Client, letter: string, more: JsonObject = {}): JsonObject => ({
  key: key(letter),
  ...more,
  signatures: { [client.userId]: { [`ed25519:${client.deviceId}`]: key("S").repeat(2) } },
});

const deviceKeys = (client: Client, letter: string): JsonObject => ({
  user_id: client.userId,
  device_id: client.deviceId,
  algorithms: ["m.olm.v1.curve25519-aes-sha2", "m.megolm.v1.aes-sha2"],
  keys: { [`curve25519:${client.deviceId}`]: key(letter), [`ed25519:${client.deviceId}`]: key(letter) },
  signatures: { [client.userId]: { [`ed25519:${client.deviceId}`]: key("S").repeat(2) } },
});

const upload = (client: Client, body: JsonObject): Promise<Answer> =>
  client.call("POST", `${V3}/keys/upload`, { body });

const oneTimeKeys = (client: Client, ids: readonly string[], letter = "A"): JsonObject => ({
  one_time_keys: Object.fromEntries(ids.map((id) => [`signed_curve25519:${id}`, signedKey(client, letter)])),
});

const claim = async (from: Client, of: Client): Promise<string[]> => {
  const body = { one_time_keys: { [of.userId]: { [of.deviceId]: "signed_curve25519" } } };
  const claimed = at(
    await from.ok("POST", `${V3}/keys/claim`, { body }),
    "one_time_keys",
    of.userId,
    of.deviceId,
  );
  return isObject(claimed) ? Object.keys(claimed) : [];
};

const query = async (from: Client, of: Client): Promise<Json> =>
  from.ok("POST", `${V3}/keys/query`, { body: { device_keys: { [of.userId]: [] } } });

interface Identity {
  readonly body: JsonObject;
  readonly selfSigning: SigningKey;
}

const newIdentity = (client: Client): Identity => {
  const [master, selfSigning, userSigning] = [newSigningKey(), newSigningKey(), newSigningKey()];
  const bare = (usage: string, key: SigningKey): JsonObject => ({
    user_id: client.userId,
    usage: [usage],
    keys: { [`ed25519:${key.publicKey}`]: key.publicKey },
  });
  const byMaster = (object: JsonObject): JsonObject =>
    signed(object, client.userId, master.publicKey, master);
  return {
    selfSigning,
    body: {
      master_key: bare("master", master),
      self_signing_key: byMaster(bare("self_signing", selfSigning)),
      user_signing_key: byMaster(bare("user_signing", userSigning)),
    },
  };
};

const uploadIdentity = (client: Client, body: JsonObject): Promise<Answer> =>
  client.call("POST", `${V3}/keys/device_signing/upload`, { body });

const pair = async (user: () => Promise<Client>): Promise<[Client, Client]> => [await user(), await user()];

const countIn = (json: Json): Json => {
  const counts = at(json, "device_one_time_keys_count");
  return isObject(counts) && "signed_curve25519" in counts ? (counts["signed_curve25519"] ?? null) : "absent";
};

export const keyRows: readonly Row[] = [
  all("stores device keys and gives them to others", true, async ({ user }) => {
    const [me, you] = await pair(user);
    await upload(me, { device_keys: deviceKeys(me, "C") });
    const found = at(
      await query(you, me),
      "device_keys",
      me.userId,
      me.deviceId,
      "keys",
      `curve25519:${me.deviceId}`,
    );
    return found === key("C");
  }),
  all("counts one-time keys, hands each out once", [2, 2, true], async ({ user }) => {
    const [me, you] = await pair(user);
    await upload(me, { device_keys: deviceKeys(me, "C") });
    const answer = await upload(me, oneTimeKeys(me, ["AAAA", "AAAB"]));
    const claimed = [...(await claim(you, me)), ...(await claim(you, me))];
    const none = await claim(you, me);
    return [
      at(answer.json, "one_time_key_counts", "signed_curve25519"),
      new Set(claimed).size,
      none.length === 0,
    ];
  }),
  row(
    "table, one-time key count at zero",
    { synapse: 0, dendrite: "absent", conduit: "absent" },
    async ({ user }) => countIn(await sync(await user())),
  ),
  row(
    "one-time key count of 2: in the first sync, in the next one",
    { synapse: [2, 2], dendrite: ["absent", 2], conduit: [2, 2] },
    async ({ user }) => {
      const me = await user();
      await upload(me, { device_keys: deviceKeys(me, "C"), ...oneTimeKeys(me, ["AAAA", "AAAB"]) });
      const first = await sync(me);
      return [countIn(first), countIn(await sync(me, { since: nextBatch(first) }))];
    },
  ),
  row(
    "table, fallback key: claimed twice, unused types before and after",
    {
      synapse: [2, ["signed_curve25519"], []],
      dendrite: [0, [], []],
      conduit: [0, null, null],
    },
    async ({ user }) => {
      const [me, you] = await pair(user);
      const fallback = { "signed_curve25519:FFFF": signedKey(me, "F", { fallback: true }) };
      await upload(me, { device_keys: deviceKeys(me, "C"), fallback_keys: fallback });
      const unused = async (): Promise<Json> => at(await sync(me), "device_unused_fallback_key_types");
      const before = await unused();
      const claimed = [...(await claim(you, me)), ...(await claim(you, me))];
      return [claimed.length, before, await unusedAfter(me)];
    },
  ),
  row(
    "table, one-time key ID again, other key",
    { synapse: [400, "M_UNKNOWN"], dendrite: [400, ""], conduit: [200, ""] },
    async ({ user }) => {
      const me = await user();
      await upload(me, { device_keys: deviceKeys(me, "C"), ...oneTimeKeys(me, ["AAAA"], "A") });
      return verdict(await upload(me, oneTimeKeys(me, ["AAAA"], "B")));
    },
  ),
  all("takes the same one-time key again", 200, async ({ user }) => {
    const me = await user();
    await upload(me, { device_keys: deviceKeys(me, "C"), ...oneTimeKeys(me, ["AAAA"]) });
    return (await upload(me, oneTimeKeys(me, ["AAAA"]))).status;
  }),
  row(
    "table, identity keys changed: the answer, and the new ones are read back",
    { synapse: [200, true], dendrite: [200, true], conduit: [200, false] },
    async ({ user }) => {
      const [me, you] = await pair(user);
      await upload(me, { device_keys: deviceKeys(me, "C") });
      const answer = await upload(me, { device_keys: deviceKeys(me, "D") });
      const found = at(
        await query(you, me),
        "device_keys",
        me.userId,
        me.deviceId,
        "keys",
        `ed25519:${me.deviceId}`,
      );
      return [answer.status, found === key("D")];
    },
  ),
  row(
    "table, /keys/changes: null where nothing changed",
    { synapse: false, dendrite: true, conduit: false },
    async ({ user }) => {
      const me = await user();
      const since = nextBatch(await sync(me));
      const json = await me.ok("GET", `${V3}/keys/changes`, { query: { from: since, to: since } });
      return isObject(json) && (json["changed"] === null || json["left"] === null);
    },
  ),
  all("tells of changed device lists in /sync", true, async ({ user }) => {
    const [me, you] = await pair(user);
    const roomId = await createRoom(me, { preset: "public_chat" });
    await you.ok("POST", `${V3}/join/${encodeURIComponent(roomId)}`, { body: {} });
    const since = nextBatch(await sync(me));
    await upload(you, { device_keys: deviceKeys(you, "C") });
    const changed = (json: Json): boolean => list(json, "device_lists", "changed").includes(you.userId);
    return changed(await syncUntil(me, since, changed));
  }),
  all(
    "names who came into sight in device_lists.changed, who went in left",
    [true, true],
    async ({ user }) => {
      const [me, you] = await pair(user);
      await upload(you, { device_keys: deviceKeys(you, "C") });
      const roomId = await createRoom(me, { preset: "public_chat" });
      const since = nextBatch(await sync(me));
      await you.ok("POST", `${V3}/join/${encodeURIComponent(roomId)}`, { body: {} });
      const changed = (json: Json): boolean => list(json, "device_lists", "changed").includes(you.userId);
      const came = await syncUntil(me, since, changed);
      await you.ok("POST", inRoom(roomId, "leave"), { body: {} });
      const left = (json: Json): boolean => list(json, "device_lists", "left").includes(you.userId);
      return [changed(came), left(await syncUntil(me, nextBatch(came), left))];
    },
  ),
  row(
    "table, cross-signing: first, replacement, replacement with the password",
    { synapse: [200, 401, 200], dendrite: [200, 401, 200], conduit: [200, 401, 200] },
    async ({ user }) => {
      const me = await user();
      await upload(me, { device_keys: deviceKeys(me, "C") });
      const first = await uploadIdentity(me, newIdentity(me).body);
      const refused = await uploadIdentity(me, newIdentity(me).body);
      const auth = {
        type: "m.login.password",
        identifier: { type: "m.id.user", user: me.userId },
        user: me.userId,
        password: me.password,
        session: text(refused.json, "session"),
      };
      const again = await uploadIdentity(me, { ...newIdentity(me).body, auth });
      return [first.status, refused.status, again.status];
    },
  ),
  row(
    "cross-signing keys shown: master and self-signing to others, user-signing to others, to oneself",
    {
      synapse: [true, true, false, true],
      dendrite: [true, true, true, true],
      conduit: [true, true, false, true],
    },
    async ({ user }) => {
      const [me, you] = await pair(user);
      await upload(me, { device_keys: deviceKeys(me, "C") });
      await uploadIdentity(me, newIdentity(me).body);
      const has = (json: Json, part: string): boolean => isObject(at(json, part, me.userId));
      const [theirs, mine] = [await query(you, me), await query(me, me)];
      return [
        has(theirs, "master_keys"),
        has(theirs, "self_signing_keys"),
        has(theirs, "user_signing_keys"),
        has(mine, "user_signing_keys"),
      ];
    },
  ),
  row(
    "cross-signing keys with a false signature",
    { synapse: [400, "M_INVALID_SIGNATURE"], dendrite: [200, ""], conduit: [200, ""] },
    async ({ user }) => {
      const me = await user();
      await upload(me, { device_keys: deviceKeys(me, "C") });
      const { body } = newIdentity(me);
      return verdict(
        await uploadIdentity(me, {
          ...body,
          self_signing_key: newIdentity(me).body["self_signing_key"] ?? null,
        }),
      );
    },
  ),
  all("adds the signature of the self-signing key to a device", [{}, true], async ({ user }) => {
    const [me, you] = await pair(user);
    const { signatures: _, ...keys } = deviceKeys(me, "C");
    await upload(me, { device_keys: deviceKeys(me, "C") });
    const { body, selfSigning } = newIdentity(me);
    await uploadIdentity(me, body);
    const object = signed(keys, me.userId, selfSigning.publicKey, selfSigning);
    const upload2 = { [me.userId]: { [me.deviceId]: object } };
    const answer = await me.ok("POST", `${V3}/keys/signatures/upload`, { body: upload2 });
    const path = ["device_keys", me.userId, me.deviceId, "signatures", me.userId] as const;
    const found = at(await query(you, me), ...path, `ed25519:${selfSigning.publicKey}`);
    return [at(answer, "failures") ?? {}, typeof found === "string"];
  }),
  all("keeps a key backup", [{ first: 1 }, 1, [403, "M_WRONG_ROOM_KEYS_VERSION"]], async ({ user }) => {
    const me = await user();
    const body = {
      algorithm: "m.megolm_backup.v1.curve25519-aes-sha2",
      auth_data: { public_key: key("P"), signatures: {} },
    };
    const version = text(await me.ok("POST", `${V3}/room_keys/version`, { body }), "version");
    const session = {
      first_message_index: 0,
      forwarded_count: 0,
      is_verified: true,
      session_data: { first: 1 },
    };
    const keys = `${V3}/room_keys/keys/${encodeURIComponent("!r:localhost")}/session`;
    const stored = await me.ok("PUT", keys, { body: session, query: { version } });
    const back = await me.ok("GET", keys, { query: { version } });
    await me.ok("POST", `${V3}/room_keys/version`, { body });
    const wrong = await me.call("PUT", keys, { body: session, query: { version } });
    return [at(back, "session_data"), at(stored, "count"), verdict(wrong)];
  }),
];

const unusedAfter = async (me: Client): Promise<Json> => {
  // A second device's sync would do too; a since keeps Synapse from repeating its cached first answer.
  const since = nextBatch(await sync(me, { timeout: 1 }));
  const json = await me.ok("GET", `${V3}/sync`, { query: { since, timeout: 1 } });
  return at(json, "device_unused_fallback_key_types");
};
