// End-to-end keys, cross-signing, to-device messages (Client-Server API, "End-to-end encryption", "Send-to-Device messaging").
import { deviceOf } from "../accounts.ts";
import { once, param, type Route, type SignedCall, signed } from "../call.ts";
import { passInteractive } from "../interactive.ts";
import { canonicalJson, isObject, type Json, type JsonObject, objectAt } from "../json.ts";
import { claimKeys, deviceListsOf, queryKeys, touchKeys, uploadKeys } from "../keys.ts";
import { badRequest, type Reply } from "../refusal.ts";
import { isSigned } from "../signatures.ts";
import { parseToken } from "../tokens.ts";
import { announce, nextPosition, type User } from "../world.ts";

const upload = ({ world, user, session, body }: SignedCall): JsonObject =>
  uploadKeys(world, user, deviceOf(world, session), body());

const changes = ({ world, user, query }: SignedCall): JsonObject | Reply => {
  const [from, to] = [parseToken(query.get("from") ?? ""), parseToken(query.get("to") ?? "")];
  if (from === null) throw badRequest(world.profile.badSince ?? "M_INVALID_PARAM", "Invalid from");
  const { changed, left } = deviceListsOf(world, user.userId, from.position, to?.position ?? world.position);
  const orNull = (list: string[]): string[] | null =>
    world.profile.keysChangesNull && list.length === 0 ? null : list;
  return { changed: orNull(changed), left: orNull(left) };
};

const KINDS = ["master_key", "self_signing_key", "user_signing_key"] as const;

/** The first upload needs no password (MSC3967), nor does the same again; a replacement does. */
const uploadCrossSigning = (call: SignedCall): JsonObject => {
  const { world, user } = call;
  const body = call.body();
  const isReplacement = KINDS.some((kind) => {
    const [known, given] = [user.crossSigning.get(kind), objectAt(body, kind)];
    return (
      known !== undefined && given !== null && canonicalJson(keysIn(known)) !== canonicalJson(keysIn(given))
    );
  });
  if (isReplacement) passInteractive(call);
  if (world.profile.verifiesCrossSigning) checkSubkeys(user, body);
  for (const kind of KINDS) {
    const given = objectAt(body, kind);
    if (given !== null) user.crossSigning.set(kind, given);
  }
  touchKeys(world, user);
  return {};
};

/** Self-signing and user-signing key must be signed by the master key. */
const checkSubkeys = (user: User, body: JsonObject): void => {
  const master = objectAt(body, "master_key") ?? user.crossSigning.get("master_key");
  if (master === undefined) throw badRequest("M_MISSING_PARAM", "No master key available");
  const [masterId = "", masterKey = ""] = Object.entries(keysIn(master))[0] ?? [];
  for (const kind of ["self_signing_key", "user_signing_key"] as const) {
    const key = objectAt(body, kind);
    if (key !== null && !isSigned(key, user.userId, masterId, String(masterKey))) {
      throw badRequest("M_INVALID_SIGNATURE", `Invalid signature on ${kind}`);
    }
  }
};

/** A device by the owner's self-signing key, the master key by a device: what a server can check itself. */
const isAcceptable = (user: User, id: string, object: JsonObject): boolean => {
  const device = user.devices.get(id);
  const signers =
    device === undefined
      ? [...user.devices.values()].map((other) => objectAt(other.keys ?? {}, "keys") ?? {})
      : [keysIn(user.crossSigning.get("self_signing_key") ?? {})];
  return signers
    .flatMap((keys) => Object.entries(keys))
    .some(
      ([keyId, key]) => keyId.startsWith("ed25519:") && isSigned(object, user.userId, keyId, String(key)),
    );
};

const keysIn = (key: JsonObject): JsonObject => objectAt(key, "keys") ?? {};

const addSignatures = (to: JsonObject, from: JsonObject): void => {
  const into = objectAt(to, "signatures") ?? {};
  for (const [userId, signatures] of Object.entries(objectAt(from, "signatures") ?? {})) {
    into[userId] = { ...(objectAt(into, userId) ?? {}), ...(isObject(signatures) ? signatures : {}) };
  }
  to["signatures"] = into;
};

/** What the ID names: a device, or a cross-signing key by its public half. */
const signedObject = (user: User, id: string): JsonObject | null => {
  const device = user.devices.get(id);
  if (device !== undefined) return device.keys;
  return [...user.crossSigning.values()].find((key) => Object.values(keysIn(key)).includes(id)) ?? null;
};

type Failure = "M_NOT_FOUND" | "M_INVALID_SIGNATURE";

const addSignature = (call: SignedCall, userId: string, id: string, object: Json): Failure | null => {
  const user = call.world.users.get(userId);
  const target = user === undefined ? null : signedObject(user, id);
  if (user === undefined || target === null || !isObject(object)) return "M_NOT_FOUND";
  const isChecked = call.world.profile.verifiesCrossSigning && user === call.user;
  if (isChecked && !isAcceptable(user, id, object)) return "M_INVALID_SIGNATURE";
  addSignatures(target, object);
  touchKeys(call.world, user);
  return null;
};

const uploadSignatures = (call: SignedCall): JsonObject => {
  const failures: JsonObject = {};
  for (const [userId, objects] of Object.entries(call.body())) {
    for (const [id, object] of Object.entries(isObject(objects) ? objects : {})) {
      const errcode = addSignature(call, userId, id, object);
      if (errcode === null) continue;
      failures[userId] = { ...(objectAt(failures, userId) ?? {}), [id]: { errcode, error: "Not accepted" } };
    }
  }
  return { failures };
};

const deliver = (call: SignedCall, user: User, deviceId: string, content: JsonObject): void => {
  const message = { type: param(call, "type"), sender: call.user.userId, content };
  for (const device of user.devices.values()) {
    if (deviceId !== "*" && deviceId !== device.deviceId) continue;
    device.inbox.push({ position: nextPosition(call.world), message });
  }
};

const sendToDevice = (call: SignedCall): JsonObject =>
  once(call, param(call, "txnId"), () => {
    const messages = objectAt(call.body(), "messages");
    if (messages === null) throw badRequest("M_MISSING_PARAM", "messages is missing");
    for (const [userId, devices] of Object.entries(messages)) {
      const user = call.world.users.get(userId);
      if (user === undefined || !isObject(devices)) continue;
      for (const [deviceId, content] of Object.entries(devices)) {
        if (isObject(content)) deliver(call, user, deviceId, content);
      }
    }
    announce(call.world);
    return {};
  });

const CLIENT = "/_matrix/client/v3";

export const keyRoutes: readonly Route[] = [
  signed("POST", `${CLIENT}/keys/upload`, upload),
  signed("POST", `${CLIENT}/keys/query`, ({ world, user, body }) => queryKeys(world, user, body())),
  signed("POST", `${CLIENT}/keys/claim`, ({ world, body }) => claimKeys(world, body())),
  signed("GET", `${CLIENT}/keys/changes`, changes),
  signed("POST", `${CLIENT}/keys/device_signing/upload`, uploadCrossSigning),
  signed("POST", `${CLIENT}/keys/signatures/upload`, uploadSignatures),
  signed("PUT", `${CLIENT}/sendToDevice/:type/:txnId`, sendToDevice),
];
