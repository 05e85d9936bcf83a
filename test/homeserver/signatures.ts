// Ed25519 signatures over JSON (specification appendix, "Signing JSON"), as far as real servers verify them: cross-signing keys and uploaded
// signatures. Device keys and one-time keys they take unseen, and so does this.
import { createPublicKey, verify } from "node:crypto";
import { canonicalJson, type JsonObject, objectAt, stringAt } from "./json.ts";

const SPKI_PREFIX = Buffer.from("302a300506032b6570032100", "hex");

const publicKey = (base64: string): ReturnType<typeof createPublicKey> =>
  createPublicKey({
    key: Buffer.concat([SPKI_PREFIX, Buffer.from(base64, "base64")]),
    format: "der",
    type: "spki",
  });

/** Is `object` signed by `userId` with the Ed25519 key `keyBase64`, under that key's ID? */
export const isSigned = (object: JsonObject, userId: string, keyId: string, keyBase64: string): boolean => {
  const signature = stringAt(objectAt(objectAt(object, "signatures") ?? {}, userId) ?? {}, keyId);
  if (signature === null || Buffer.from(keyBase64, "base64").length !== 32) return false;
  const { signatures: _, unsigned: __, ...bare } = object;
  try {
    return verify(
      null,
      Buffer.from(canonicalJson(bare)),
      publicKey(keyBase64),
      Buffer.from(signature, "base64"),
    );
  } catch {
    return false;
  }
};
