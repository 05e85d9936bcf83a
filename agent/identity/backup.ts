// The control socket's verb about the key backup, secret storage and key files: `action` says what.
import type { Exchange } from "#agent/control/server.ts";
import { CliError, EXIT } from "#agent/exit.ts";
import { asList, asString, field } from "#agent/matrix/json.ts";
import type { JsonObject, JsonValue } from "#agent/matrix/types.ts";
import { CryptoError } from "#crypto/errors.ts";
import { encodeExportedSession, parseExportedSession } from "#crypto/exported-session.ts";
import { RESTORE_SLICE } from "#crypto/machine/backup/limits.ts";
import { backupKeysPath, type RestoreCounts, readBackup } from "#crypto/machine/backup/restore.ts";
import { secretName } from "#crypto/machine/cross-signing/keys.ts";
import type { MachineCalls } from "#crypto/machine/machine.ts";
import { BACKUP_SECRET } from "#crypto/machine/secrets/known.ts";
import type { OpenResult, StorageKey } from "#crypto/machine/secrets/storage.ts";
import { stretchSecretStorageKey } from "#crypto/secret-storage.ts";
import type { IdentityAccess } from "./access.ts";

type Action = (access: IdentityAccess, args: JsonObject, exchange: Exchange) => Promise<JsonValue>;

const toJson = (value: unknown): JsonValue => JSON.parse(JSON.stringify(value)) as JsonValue; // what JSON.parse gives is JSON

/** What the person gave, a passphrase stretched on another thread: it takes a second and more. After `refresh`. */
const keyOf = async (access: IdentityAccess, args: JsonObject): Promise<StorageKey | null> => {
  const [recoveryKey, passphrase] = [
    asString(field(args, "recoveryKey")),
    asString(field(args, "passphrase")),
  ];
  if (recoveryKey !== null) return { recoveryKey };
  if (passphrase === null) return null;
  const info = await access.calls((calls) => calls.secretStoragePassphrase());
  if (info === null)
    throw new CliError(
      EXIT.failed,
      "no passphrase opens this account's secret storage: give its recovery key",
    );
  try {
    return { key: await stretchSecretStorageKey(access.stretch, passphrase, info) };
  } catch (error) {
    if (error instanceof CryptoError) throw new CliError(EXIT.failed, error.message, { cause: error });
    throw error;
  }
};

/** Asks the server for everything anew: backup and secret storage may have changed elsewhere. */
const refresh = async (access: IdentityAccess): Promise<void> => {
  await access.calls((calls) => {
    calls.fetchSecretStorage();
    calls.checkBackup();
  });
  await access.settle();
};

const status: Action = async (access) => {
  await refresh(access);
  return toJson(
    await access.calls((calls) => ({
      backup: calls.backup(),
      secretStorage: calls.secretStorage(),
      crossSigning: calls.crossSigning(),
    })),
  );
};

const opened = (result: OpenResult): Extract<OpenResult, { kind: "opened" }> => {
  if (result.kind === "opened") return result;
  throw new CliError(
    EXIT.failed,
    result.kind === "wrong-key"
      ? `the recovery key or passphrase does not open this account's secret storage: ${result.reason}`
      : "this account has no secret storage; `petrel backup create` makes one",
  );
};

/** Secrets of the storage that is there and that this device does not hold: a new storage would be without them. */
const wouldBeLost = (calls: MachineCalls, withBackup: boolean): readonly string[] => {
  const storage = calls.secretStorage();
  if (storage.state !== "there") return [];
  const signing = calls.crossSigning();
  const held = signing.state === "ours" ? signing.held.map(secretName) : [];
  const kept = withBackup || calls.backup().holdsKey ? [...held, BACKUP_SECRET] : held;
  return storage.secrets.filter((name) => !kept.includes(name));
};

const requireNothingLost = async (access: IdentityAccess, withBackup: boolean): Promise<void> => {
  const lost = await access.calls((calls) => wouldBeLost(calls, withBackup));
  if (lost.length === 0) return;
  throw new CliError(
    EXIT.failed,
    `the secret storage holds what this device does not (${lost.join(", ")}), and a new one would be without it: open the one that is there with its recovery key (\`petrel backup restore\`), or verify this device with another one (\`petrel verify\`)${lost.includes(BACKUP_SECRET) ? "; --replace all makes a new backup as well" : ""}`,
  );
};

/** Makes what is missing: backup, secret storage. The recovery key of a new secret storage is given out here and nowhere else. */
const create: Action = async (access, args) => {
  await refresh(access);
  const replace = field(args, "replace") === true;
  const replaceStorage = field(args, "replaceStorage") === true;
  const { state } = await access.calls((calls) => calls.secretStorage());
  if (state !== "there" && state !== "none")
    throw new CliError(
      EXIT.unreachable,
      "the homeserver did not say whether there is secret storage; try again",
    );
  const keeps = state === "there" && !replaceStorage;
  const given = keeps ? await keyOf(access, args) : null;
  if (keeps && given === null)
    throw new CliError(
      EXIT.usage,
      "this account has secret storage already: give its recovery key, so that the backup's key can be kept in it",
    );
  if (given !== null) opened(await access.calls((calls) => calls.openSecretStorage(given)));
  else await requireNothingLost(access, replace);
  const before = await access.calls((calls) => calls.backup());
  if (before.state === "none" || before.state === "unknown" || replace) {
    await access.calls((calls) => calls.createBackup({ replace }));
    await access.settle();
  }
  const made = await access.calls((calls) => {
    if (given === null) return calls.createSecretStorage({ replace: replaceStorage });
    opened(calls.saveSecrets(given));
    return null;
  });
  await access.settle();
  const backup = await access.calls((calls) => calls.backup());
  return toJson({ backup, recoveryKey: made?.recoveryKey ?? null, secrets: made?.secrets ?? null });
};

const restore: Action = async (access, args, exchange) => {
  await refresh(access);
  const given = await keyOf(access, args);
  if (given !== null) await open(access, given);
  const backup = await access.calls((calls) => calls.backup());
  if (backup.version === null) throw new CliError(EXIT.failed, "this account has no key backup");
  const entries = readBackup(await access.get(backupKeysPath(backup.version)));
  const counts = await inSlices(entries, exchange, (slice) =>
    access.calls((calls) => calls.restoreBackup(slice)),
  );
  await access.settle();
  return toJson({ ...counts, crossSigning: await access.calls((calls) => calls.crossSigning()) });
};

/** A recovery key opens secret storage, or is the backup's own key, as older clients gave it out. */
const open = async (access: IdentityAccess, given: StorageKey): Promise<void> => {
  const result = await access.calls((calls) => calls.openSecretStorage(given));
  const direct =
    result.kind !== "opened" &&
    "recoveryKey" in given &&
    (await access.calls((calls) => calls.useBackupKey(given.recoveryKey)));
  if (!direct) opened(result);
  await access.settle();
};

/** A slice a transaction, so that readings go on in between. */
const inSlices = async <T>(
  all: readonly T[],
  { event, signal }: Exchange,
  take: (slice: readonly T[]) => Promise<RestoreCounts>,
): Promise<RestoreCounts> => {
  let sum: RestoreCounts = { new: 0, better: 0, known: 0, failed: 0 };
  for (let at = 0; at < all.length && !signal.aborted; at += RESTORE_SLICE) {
    const counts = await take(all.slice(at, at + RESTORE_SLICE));
    sum = {
      new: sum.new + counts.new,
      better: sum.better + counts.better,
      known: sum.known + counts.known,
      failed: sum.failed + counts.failed,
    };
    event({ done: Math.min(at + RESTORE_SLICE, all.length), total: all.length });
  }
  return sum;
};

/** The sessions room by room; the command line encrypts the file, which takes long on purpose. */
const exportKeys: Action = async (access, _args, { event, signal }) => {
  const rooms = await access.calls((calls) => calls.keyedRooms());
  let count = 0;
  for (const roomId of rooms) {
    if (signal.aborted) break;
    const sessions = await access.calls((calls) => calls.exportRoomKeys(roomId));
    count += sessions.length;
    event({ sessions: toJson(sessions.map(encodeExportedSession)) });
  }
  return { rooms: rooms.length, sessions: count };
};

const importKeys: Action = async (access, args) => {
  const sessions = asList(field(args, "sessions")).flatMap((each) => {
    try {
      return [parseExportedSession(each)];
    } catch (error) {
      if (error instanceof CryptoError) return [];
      throw error;
    }
  });
  return toJson(await access.calls((calls) => calls.importRoomKeys(sessions)));
};

const ACTIONS: Readonly<Record<string, Action>> = {
  status,
  create,
  restore,
  export: exportKeys,
  import: importKeys,
};

export const backup: Action = (access, args, exchange) => {
  const name = asString(field(args, "action")) ?? "";
  const action = Object.hasOwn(ACTIONS, name) ? ACTIONS[name] : undefined;
  if (action === undefined)
    throw new CliError(
      EXIT.usage,
      `expected one of the actions ${Object.keys(ACTIONS).join(", ")}, found "${name}"`,
    );
  return action(access, args, exchange);
};
