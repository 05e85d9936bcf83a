// The secrets that we know how to check: a private key counts only if it belongs to the public half that is known. Others are nobody's business here.
import { importBackupKey } from "../../backup.ts";
import { CryptoError } from "../../errors.ts";
import type { Context } from "../context.ts";
import { KEY_USAGES, secretName } from "../cross-signing/keys.ts";
import { matchingKeys } from "../cross-signing/state.ts";
import { takePrivateKey, usageOf } from "../cross-signing/take.ts";

export const BACKUP_SECRET = "m.megolm_backup.v1";

export const SECRET_NAMES: readonly string[] = [...KEY_USAGES.map(secretName), BACKUP_SECRET];

/** The public key of the backup that the server shows; null where none is known. */
export function shownBackupKey({ rows }: Context): string | null {
  return rows.get("backup", "", "")?.publicKey ?? null;
}

/** Whether we hold a secret and it is the one that is in use. */
export function holdsSecret(context: Context, name: string): boolean {
  const usage = usageOf(name);
  if (usage !== null) return matchingKeys(context).includes(usage);
  const row = context.rows.get("secret", "", name);
  return row !== null && backupKeyOf(context, row.secret) === shownBackupKey(context);
}

/** The public half of a backup's decryption key; null for what is none. */
export function backupKeyOf({ provider }: Context, secret: string): string | null {
  try {
    return importBackupKey(provider, secret).publicKey;
  } catch (error) {
    if (error instanceof CryptoError) return null;
    throw error;
  }
}

/** Keeps a secret that fits; whether it did. `confirms`: it came out of secret storage, see takePrivateKey. */
export function takeSecret(
  context: Context,
  name: string,
  secret: string,
  options: { readonly confirms: boolean },
): boolean {
  const usage = usageOf(name);
  if (usage !== null) return takePrivateKey(context, usage, secret, options);
  const shown = shownBackupKey(context);
  if (name !== BACKUP_SECRET || shown === null || backupKeyOf(context, secret) !== shown) return false;
  context.rows.put("secret", "", name, { secret: secret.trim() });
  return true;
}

/** Secrets that belong to something of our user's on the server, and that we do not hold. */
export function missingSecrets(context: Context): readonly string[] {
  return SECRET_NAMES.filter((name) => {
    if (name === BACKUP_SECRET && shownBackupKey(context) === null) return false;
    return !holdsSecret(context, name);
  });
}
