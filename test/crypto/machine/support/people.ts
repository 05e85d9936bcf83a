// People as a homeserver shows them: cross-signing keys, devices, the answer of /keys/query. Every part can be altered before it is shown.
import { encodeBase64 } from "#crypto/base64.ts";
import { OlmAccount } from "#crypto/olm/account.ts";
import { nodeProvider } from "#crypto/provider/node.ts";
import type { CryptoProvider, Ed25519KeyPair } from "#crypto/provider.ts";
import type { JsonObject } from "#crypto/shape.ts";
import { signJson } from "#crypto/signed-json.ts";

export interface Person {
  readonly userId: string;
  readonly master: Ed25519KeyPair;
  readonly masterKey: string;
  readonly selfSigning: Ed25519KeyPair;
  readonly userSigning: Ed25519KeyPair;
  /** By device ID: device keys as shown. */
  readonly devices: Map<string, JsonObject>;
  /** As shown; undefined is left out. */
  keys: { master?: JsonObject; selfSigning?: JsonObject; userSigning?: JsonObject };
}

export const publicKey = (key: Ed25519KeyPair): string => encodeBase64(key.publicKey);
export const keyId = (key: Ed25519KeyPair): string => `ed25519:${publicKey(key)}`;

export const crossSigningKey = (userId: string, usage: string, key: Ed25519KeyPair): JsonObject => ({
  user_id: userId,
  usage: [usage],
  keys: { [keyId(key)]: publicKey(key) },
});

export const makePerson = (userId: string, provider: CryptoProvider = nodeProvider): Person => {
  const [master, selfSigning, userSigning] = [0, 1, 2].map(() => provider.generateEd25519()) as [
    Ed25519KeyPair,
    Ed25519KeyPair,
    Ed25519KeyPair,
  ];
  const signed = (usage: string, key: Ed25519KeyPair): JsonObject =>
    signJson(crossSigningKey(userId, usage, key), userId, keyId(master), master);
  return {
    userId,
    master,
    masterKey: publicKey(master),
    selfSigning,
    userSigning,
    devices: new Map(),
    keys: {
      master: crossSigningKey(userId, "master", master),
      selfSigning: signed("self_signing", selfSigning),
      userSigning: signed("user_signing", userSigning),
    },
  };
};

/** Device keys with the owner's self-signing key beside the device's own signature. */
export const crossSign = (owner: Person, deviceKeys: JsonObject): JsonObject =>
  signJson(deviceKeys, owner.userId, keyId(owner.selfSigning), owner.selfSigning);

/** One person's user-signing key on another one's master key. */
export const vouch = (by: Person, of: Person): void => {
  of.keys = {
    ...of.keys,
    master: signJson(of.keys.master ?? {}, by.userId, keyId(by.userSigning), by.userSigning),
  };
};

export interface TheirDevice {
  readonly account: OlmAccount;
  readonly deviceKeys: JsonObject;
}

/** A device of theirs, self-signed; `alter` changes it before it signs. */
export const makeDevice = (
  owner: Person,
  deviceId: string,
  options: {
    readonly crossSigned?: boolean;
    readonly account?: OlmAccount;
    readonly alter?: (keys: JsonObject) => JsonObject;
  } = {},
): TheirDevice => {
  const account = options.account ?? OlmAccount.create(nodeProvider);
  const plain = {
    user_id: owner.userId,
    device_id: deviceId,
    algorithms: ["m.olm.v1.curve25519-aes-sha2", "m.megolm.v1.aes-sha2"],
    keys: { [`curve25519:${deviceId}`]: account.curve25519, [`ed25519:${deviceId}`]: account.ed25519 },
  };
  const { signingKey } = account.exportState();
  const own = signJson(options.alter?.(plain) ?? plain, owner.userId, `ed25519:${deviceId}`, signingKey);
  const deviceKeys = options.crossSigned === false ? own : crossSign(owner, own);
  owner.devices.set(deviceId, deviceKeys);
  return { account, deviceKeys };
};

/** The answer of /keys/query about these people. */
export const queryAnswer = (...people: readonly Person[]): JsonObject => {
  const each = (of: (person: Person) => unknown): JsonObject => {
    const shown = people.filter((person) => of(person) !== undefined);
    return Object.fromEntries(shown.map((person): [string, unknown] => [person.userId, of(person)]));
  };
  return JSON.parse(
    JSON.stringify({
      device_keys: each((person) => Object.fromEntries(person.devices)),
      failures: {},
      master_keys: each((person) => person.keys.master),
      self_signing_keys: each((person) => person.keys.selfSigning),
      user_signing_keys: each((person) => person.keys.userSigning),
    }),
  ) as JsonObject;
};
