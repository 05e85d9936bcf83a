// A device and an identity of ours as other people see them: signed with signed-json.ts, for peers that check it.
import { encodeBase64 } from "#crypto/base64.ts";
import type { CryptoProvider, Ed25519KeyPair } from "#crypto/provider.ts";
import type { JsonObject } from "#crypto/shape.ts";
import { signJson } from "#crypto/signed-json.ts";

export interface Device {
  readonly userId: string;
  readonly deviceId: string;
  readonly key: Ed25519KeyPair;
  /** Unpadded base64 of the signing key. */
  readonly ed25519: string;
  readonly keyId: string;
  /** Self-signed, as in /keys/query. */
  readonly deviceKeys: JsonObject;
}

export interface Identity {
  readonly master: Ed25519KeyPair;
  readonly masterKey: JsonObject;
  readonly selfSigningKey: JsonObject;
  readonly userSigningKey: JsonObject;
}

export const makeDevice = (provider: CryptoProvider, userId: string, deviceId: string): Device => {
  const key = provider.generateEd25519();
  const ed25519 = encodeBase64(key.publicKey);
  const keyId = `ed25519:${deviceId}`;
  const curve25519 = encodeBase64(provider.generateX25519().publicKey);
  const unsigned = {
    user_id: userId,
    device_id: deviceId,
    algorithms: ["m.olm.v1.curve25519-aes-sha2", "m.megolm.v1.aes-sha2"],
    keys: { [keyId]: ed25519, [`curve25519:${deviceId}`]: curve25519 },
  };
  return { userId, deviceId, key, ed25519, keyId, deviceKeys: signJson(unsigned, userId, keyId, key) };
};

export const makeIdentity = (provider: CryptoProvider, userId: string): Identity => {
  const master = provider.generateEd25519();
  const publicKeyOf = (key: Ed25519KeyPair, usage: string): JsonObject => {
    const text = encodeBase64(key.publicKey);
    return { user_id: userId, usage: [usage], keys: { [`ed25519:${text}`]: text } };
  };
  const masterKey = publicKeyOf(master, "master");
  const masterId = `ed25519:${encodeBase64(master.publicKey)}`;
  const signed = (usage: string): JsonObject =>
    signJson(publicKeyOf(provider.generateEd25519(), usage), userId, masterId, master);
  return {
    master,
    masterKey,
    selfSigningKey: signed("self_signing"),
    userSigningKey: signed("user_signing"),
  };
};
