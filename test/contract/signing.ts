// Ed25519 keys and signatures over JSON for the contract: Synapse verifies those of cross-signing. (Specification appendix, "Signing JSON".)
import { generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { canonicalJson } from "#test/homeserver/json.ts";
import type { JsonObject } from "#test/peers/http.ts";

export interface SigningKey {
  readonly publicKey: string;
  readonly privateKey: KeyObject;
}

const unpadded = (bytes: Buffer): string => bytes.toString("base64").replace(/=+$/, "");

export const newSigningKey = (): SigningKey => {
  const { publicKey, privateKey } = generateKeyPairSync("ed25519");
  const raw = publicKey.export({ format: "der", type: "spki" }).subarray(-32);
  return { publicKey: unpadded(raw), privateKey };
};

/** `object` with a signature of `userId` under the ID `ed25519:<name>`. */
export const signed = (object: JsonObject, userId: string, name: string, key: SigningKey): JsonObject => ({
  ...object,
  signatures: {
    [userId]: {
      [`ed25519:${name}`]: unpadded(sign(null, Buffer.from(canonicalJson(object)), key.privateKey)),
    },
  },
});
