// The server-side key backup `m.megolm_backup.v1.curve25519-aes-sha2` (specification: Server-side key backups).
// Done here: auth_data, session_data, the decryption key. Uploading, versions and trust belong to the machine.
//
// Whoever knows the public key can write into a backup, and its MAC covers nothing (pk.ts): sessions from a backup are
// never more than claims about who made them.
import { decodeBase64, encodeBase64 } from "./base64.ts";
import { CryptoError } from "./errors.ts";
import { type BackedUpSession, encodeBackedUpSession, parseBackedUpSession } from "./exported-session.ts";
import {
  importPkDecryption,
  type PkDecryption,
  type PkEncryption,
  type PkMacOver,
  type PkMessage,
} from "./pk.ts";
import type { CryptoProvider } from "./provider.ts";
import {
  decodeUtf8,
  type JsonObject,
  objectMember,
  parseJson,
  requireBytes,
  requireObject,
  stringMember,
} from "./shape.ts";

export const BACKUP_ALGORITHM = "m.megolm_backup.v1.curve25519-aes-sha2";

/** What is POSTed to /room_keys/version: sign `auth_data` with signed-json.ts first. */
export interface BackupVersion {
  readonly algorithm: typeof BACKUP_ALGORITHM;
  readonly auth_data: { readonly public_key: string };
}

/** The version that belongs to a backup key, unsigned. `publicKey`: 32 bytes, base64. @throws CryptoError BASE64 or FORMAT */
export function describeBackup(publicKey: string): BackupVersion {
  return { algorithm: BACKUP_ALGORITHM, auth_data: { public_key: normalKey(publicKey) } };
}

/**
 * The public key and the signed object of a backup that a server names. Whether to trust it is another question: check a signature
 * (verifyJson over `authData`), or that the key belongs to a decryption key that came from a trusted source.
 *
 * @throws CryptoError UNSUPPORTED for another algorithm, FORMAT or BASE64 for a broken auth_data
 */
export function parseBackupVersion(value: unknown): {
  readonly publicKey: string;
  readonly authData: JsonObject;
} {
  const version = requireObject(value, "backup version");
  const algorithm = stringMember(version, "algorithm", "backup version");
  if (algorithm !== BACKUP_ALGORITHM) {
    const found = JSON.stringify(algorithm.slice(0, 80));
    throw new CryptoError(
      "UNSUPPORTED",
      `backup version: expected algorithm ${BACKUP_ALGORITHM}, found ${found}`,
    );
  }
  const authData = objectMember(version, "auth_data", "backup version");
  return { publicKey: normalKey(stringMember(authData, "public_key", "auth_data")), authData };
}

/**
 * The decryption key from the secret `m.megolm_backup.v1` (or a secret that was gossiped): base64 of 32 bytes.
 * Compare `publicKey` with that of the backup before using it. For a key that a person typed see recovery-key.ts.
 *
 * @throws CryptoError BASE64 or FORMAT
 */
export function importBackupKey(provider: CryptoProvider, secret: string): PkDecryption {
  const bytes = requireBytes(decodeBase64(secret.trim()), 32, "backup decryption key");
  const key = importPkDecryption(provider, bytes);
  bytes.fill(0);
  return key;
}

/** A session as the `session_data` of a backup. */
export function encryptBackedUpSession(encryption: PkEncryption, session: BackedUpSession): PkMessage {
  return encryption.encrypt(JSON.stringify(encodeBackedUpSession(session)));
}

/**
 * A session out of the `session_data` of a backup. `macOver` says what its MAC covered; report `ciphertext`, a form that only
 * a few old backups have.
 *
 * @throws CryptoError as {@link PkDecryption.decrypt}, and FORMAT when what is inside is no session
 */
export function decryptBackedUpSession(
  decryption: PkDecryption,
  sessionData: unknown,
): { readonly session: BackedUpSession; readonly macOver: PkMacOver } {
  const data = requireObject(sessionData, "session_data");
  const { plaintext, macOver } = decryption.decrypt({
    ciphertext: stringMember(data, "ciphertext", "session_data"),
    mac: stringMember(data, "mac", "session_data"),
    ephemeral: stringMember(data, "ephemeral", "session_data"),
  });
  const text = decodeUtf8(plaintext, "session_data");
  plaintext.fill(0);
  return { session: parseBackedUpSession(parseJson(text, "session_data")), macOver };
}

function normalKey(text: string): string {
  return encodeBase64(requireBytes(decodeBase64(text), 32, "backup public key"));
}
