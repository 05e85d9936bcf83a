// Keys on the server (Client-Server API, "Key management API", "Cross-signing"): kept and handed out, never verified. Real servers check no
// signature either.
import { canonicalJson, isObject, type Json, type JsonObject, objectAt } from "./json.ts";
import { Refusal } from "./refusal.ts";
import { companions, type joinedMembers, roomsOf } from "./rooms.ts";
import { announce, type Device, nextPosition, type User, type World } from "./world.ts";

export const touchKeys = (world: World, user: User): void => {
  user.keysPosition = nextPosition(world);
  announce(world);
};

const algorithmOf = (keyId: string): string => keyId.slice(0, keyId.indexOf(":"));

const countsByAlgorithm = (device: Device): Record<string, number> => {
  const counts: Record<string, number> = {};
  for (const keyId of device.oneTimeKeys.keys())
    counts[algorithmOf(keyId)] = (counts[algorithmOf(keyId)] ?? 0) + 1;
  return counts;
};

export const keyCounts = (world: World, device: Device): Record<string, number> => ({
  ...(world.profile.zeroKeyCount ? { signed_curve25519: 0 } : {}),
  ...countsByAlgorithm(device),
});

/** The two fields of /sync; an empty count is left out where the profile's server leaves it out. */
export const keyCountsOf = (world: World, device: Device, isInitial: boolean): JsonObject => {
  const unused = [...device.fallbackKeys].filter(([, entry]) => !entry.used).map(([algorithm]) => algorithm);
  const counts = isInitial && !world.profile.initialKeyCounts ? {} : keyCounts(world, device);
  return {
    ...(Object.keys(counts).length === 0 ? {} : { device_one_time_keys_count: counts }),
    ...(world.profile.fallbackKeys === "absent" ? {} : { device_unused_fallback_key_types: unused }),
  };
};

const storeIdentity = (world: World, user: User, device: Device, keys: JsonObject): void => {
  if (device.keys !== null && !world.profile.identityKeysReplaced) return;
  if (device.keys !== null && canonicalJson(device.keys) === canonicalJson(keys)) return;
  device.keys = keys;
  touchKeys(world, user);
};

const storeOneTimeKeys = (world: World, device: Device, keys: JsonObject): void => {
  const clash = world.profile.oneTimeKeyClash;
  for (const [keyId, key] of Object.entries(keys)) {
    const known = device.oneTimeKeys.get(keyId);
    const isOther = known !== undefined && canonicalJson(known) !== canonicalJson(key);
    if (isOther && clash !== null) {
      throw new Refusal(
        clash.status,
        clash.errcode,
        `One time key ${keyId} already exists with another value`,
      );
    }
  }
  for (const [keyId, key] of Object.entries(keys)) device.oneTimeKeys.set(keyId, key);
};

const storeFallbackKeys = (world: World, device: Device, keys: JsonObject): void => {
  if (world.profile.fallbackKeys !== "kept") return;
  for (const [keyId, key] of Object.entries(keys)) {
    device.fallbackKeys.set(algorithmOf(keyId), { keyId, key, used: false });
  }
};

const remember = (device: Device, keys: JsonObject): void => {
  for (const [keyId, signed] of Object.entries(keys)) {
    const key = isObject(signed) ? (signed["key"] ?? null) : signed;
    device.keysEver.set(keyId, (device.keysEver.get(keyId) ?? new Set()).add(key));
  }
};

export const uploadKeys = (world: World, user: User, device: Device, body: JsonObject): JsonObject => {
  const identity = objectAt(body, "device_keys");
  if (identity !== null) storeIdentity(world, user, device, identity);
  storeOneTimeKeys(world, device, objectAt(body, "one_time_keys") ?? {});
  storeFallbackKeys(world, device, objectAt(body, "fallback_keys") ?? {});
  for (const part of ["one_time_keys", "fallback_keys"]) remember(device, objectAt(body, part) ?? {});
  return { one_time_key_counts: keyCounts(world, device) };
};

const deviceKeysOf = (user: User, wanted: Json): JsonObject => {
  const names = Array.isArray(wanted) && wanted.length > 0 ? wanted : [...user.devices.keys()];
  const found: JsonObject = {};
  for (const device of user.devices.values()) {
    if (device.keys === null || !names.includes(device.deviceId)) continue;
    const unsigned =
      device.displayName === null ? {} : { unsigned: { device_display_name: device.displayName } };
    found[device.deviceId] = { ...device.keys, ...unsigned };
  }
  return found;
};

export const queryKeys = (world: World, viewer: User, body: JsonObject): JsonObject => {
  const answer = {
    device_keys: {},
    master_keys: {},
    self_signing_keys: {},
    user_signing_keys: {},
    failures: {},
  } as {
    readonly [part: string]: JsonObject;
  }; // every part is an object literal
  const put = (part: string, userId: string, keys: JsonObject | undefined): void => {
    const into = answer[part];
    if (into !== undefined && keys !== undefined) into[userId] = keys;
  };
  for (const [userId, wanted] of Object.entries(objectAt(body, "device_keys") ?? {})) {
    const user = world.users.get(userId);
    if (user === undefined) continue;
    put("device_keys", userId, deviceKeysOf(user, wanted));
    put("master_keys", userId, user.crossSigning.get("master_key"));
    put("self_signing_keys", userId, user.crossSigning.get("self_signing_key"));
    if (user === viewer || world.profile.userSigningKeysPublic)
      put("user_signing_keys", userId, user.crossSigning.get("user_signing_key"));
  }
  return answer;
};

const claimOne = (device: Device, algorithm: string): JsonObject | null => {
  for (const [keyId, key] of device.oneTimeKeys) {
    if (algorithmOf(keyId) !== algorithm) continue;
    device.oneTimeKeys.delete(keyId);
    return { [keyId]: key };
  }
  const fallback = device.fallbackKeys.get(algorithm);
  if (fallback === undefined) return null;
  fallback.used = true;
  return { [fallback.keyId]: fallback.key };
};

export const claimKeys = (world: World, body: JsonObject): JsonObject => {
  const oneTimeKeys: JsonObject = {};
  for (const [userId, devices] of Object.entries(objectAt(body, "one_time_keys") ?? {})) {
    const claimed: JsonObject = {};
    for (const [deviceId, algorithm] of Object.entries(isObject(devices) ? devices : {})) {
      const device = world.users.get(userId)?.devices.get(deviceId);
      const key = device === undefined ? null : claimOne(device, String(algorithm));
      if (key !== null) claimed[deviceId] = key;
    }
    if (Object.keys(claimed).length > 0) oneTimeKeys[userId] = claimed;
  }
  return { one_time_keys: oneTimeKeys, failures: {} };
};

/** Whose keys to fetch anew, and whom to forget, between two positions. */
export const deviceListsOf = (
  world: World,
  userId: string,
  from: number,
  to: number,
): { changed: string[]; left: string[] } => {
  const sharing = companions(world, userId);
  const within = (position: number): boolean => position > from && position <= to;
  const changed = [...sharing].filter((other) => {
    if (within(world.users.get(other)?.keysPosition ?? 0)) return true;
    return (
      other !== userId &&
      roomsOf(world, userId, "join").some((room) => cameTogether(room, [userId, other], within))
    );
  });
  const gone = [...world.rooms.values()].flatMap((room) => {
    const history = room.memberships.get(userId);
    if (history === undefined) return [];
    const iLeft = history.some((event) => within(event.position) && event.content["membership"] !== "join");
    if (iLeft) return [...room.memberships.keys()];
    return [...room.memberships].filter(([, events]) => hasLeft(events, within)).map(([other]) => other);
  });
  return { changed, left: [...new Set(gone)].filter((other) => !sharing.has(other)) };
};

type Within = (position: number) => boolean;
type History = readonly { readonly position: number; readonly content: JsonObject }[];

const hasLeft = (events: History, within: Within): boolean =>
  events.some(
    (event, index) =>
      within(event.position) &&
      event.content["membership"] !== "join" &&
      events[index - 1]?.content["membership"] === "join",
  );

const cameTogether = (
  room: Parameters<typeof joinedMembers>[0],
  pair: readonly string[],
  within: Within,
): boolean => {
  const histories = pair.map((userId) => room.memberships.get(userId)?.at(-1));
  if (histories.some((event) => event?.content["membership"] !== "join")) return false;
  return histories.some((event) => within(event?.position ?? 0));
};
