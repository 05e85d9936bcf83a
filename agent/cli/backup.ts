// `petrel backup`: the account's key backup and secret storage, and key files, through the running agent.
import { readFile, writeFile } from "node:fs/promises";
import { askAgent } from "#agent/control/client.ts";
import { CliError, EXIT } from "#agent/exit.ts";
import { asInteger, asList, asObject, asString, field } from "#agent/matrix/json.ts";
import type { JsonObject, JsonValue } from "#agent/matrix/types.ts";
import type { Outside } from "#agent/outside.ts";
import { CryptoError } from "#crypto/errors.ts";
import {
  type ExportedSession,
  encodeExportedSession,
  parseExportedSession,
} from "#crypto/exported-session.ts";
import { decryptKeyFile, encryptKeyFile } from "#crypto/key-export.ts";
import { RESTORE_SLICE } from "#crypto/machine/backup/limits.ts";
import { nodeProvider } from "#crypto/provider/node.ts";
import { printable } from "./printable.ts";
import { withProgress } from "./progress.ts";
import { withAsker } from "./prompt.ts";
import { loadSetting, type Setting, serverOf, socketOf } from "./setting.ts";

export interface BackupOptions {
  readonly passphrase?: boolean;
  readonly replace?: true | "backup" | "storage" | "all";
  readonly withoutKey?: boolean;
  readonly json?: boolean;
}

interface Call {
  readonly outside: Outside;
  readonly setting: Setting;
  readonly options: BackupOptions;
}

const ask = async (
  { outside, setting }: Call,
  args: JsonObject,
  onEvent: (value: JsonValue) => void = () => undefined,
): Promise<JsonObject> => {
  const answer = await withProgress(outside, `asking ${serverOf(setting)}`, () =>
    askAgent(socketOf(setting), { verb: "backup", args }, onEvent),
  );
  if (answer === null)
    throw new CliError(EXIT.notRunning, "no agent runs here: start it with `petrel run`, it has the keys");
  return asObject(answer.result) ?? {};
};

const say = ({ outside, options }: Call, result: JsonObject, text: string): number => {
  outside.stdout.write(options.json ? `${JSON.stringify(result)}\n` : `${text}\n`);
  return EXIT.ok;
};

const number = (of: JsonObject | null, name: string): number =>
  (of === null ? null : asInteger(field(of, name) ?? null)) ?? 0;
const word = (of: JsonObject | null, name: string): string =>
  printable((of === null ? null : asString(field(of, name) ?? null)) ?? "");

const STATES: Readonly<Record<string, string>> = {
  unknown: "unknown: the homeserver has not said yet",
  none: "none; `petrel backup create` makes one",
  unreadable: "of a kind that this version does not know",
  untrusted:
    "there, and not used: nothing shows that it is this account's; verify this device, or restore with the recovery key",
  on: "on",
};

const statusText = (result: JsonObject): string => {
  const backup = asObject(field(result, "backup") ?? null);
  const storage = asObject(field(result, "secretStorage") ?? null);
  const signing = asObject(field(result, "crossSigning") ?? null);
  const state = word(backup, "state");
  return [
    `key backup: ${STATES[state] ?? state}`,
    ...(state === "on"
      ? [
          `  version ${word(backup, "version")}: ${number(backup, "saved")} sessions of this device in it, ${number(backup, "waiting")} wait`,
        ]
      : []),
    `secret storage: ${word(storage, "state") === "there" ? "there" : word(storage, "state")}`,
    `cross-signing: ${word(signing, "state")}`,
  ].join("\n");
};

const status = async (call: Call): Promise<number> => {
  const result = await ask(call, { action: "status" });
  return say(call, result, statusText(result));
};

/** The recovery key, or a passphrase, as one line that is not shown. */
const askKey = ({ outside, options }: Call): Promise<JsonObject> =>
  withAsker(outside, async (asker) =>
    options.passphrase === true
      ? { passphrase: await asker.askSecret("Passphrase of the secret storage") }
      : { recoveryKey: await asker.askSecret("Recovery key") },
  );

const REPLACED: Readonly<Record<"backup" | "storage" | "all", string>> = {
  backup:
    "The key backup that is there is deleted on the homeserver, with every room key in it that no device of this account holds any more.",
  storage:
    "A new secret storage takes the place of the one that is there. The old recovery key and the old passphrase open nothing any more: every person and every device that uses them needs the new one.",
  all: "The key backup that is there is deleted on the homeserver, with every room key in it that no device of this account holds any more; and a new secret storage takes the place of the one that is there: the old recovery key and the old passphrase open nothing any more.",
};

/** Says what is lost, and takes one word for a yes, so that nobody does it by a keystroke. */
const confirmReplacing = ({ outside }: Call, what: keyof typeof REPLACED): Promise<void> => {
  outside.stderr.write(`${REPLACED[what]}\nThis cannot be undone.\n`);
  return withAsker(outside, async (asker) => {
    if ((await asker.ask("Type replace to go on")) !== "replace")
      throw new CliError(EXIT.failed, "nothing was changed");
  });
};

const create = async (call: Call): Promise<number> => {
  const { replace } = call.options;
  const what = replace === true ? "backup" : replace;
  const { secretStorage } = await ask(call, { action: "status" });
  const there = word(asObject(secretStorage ?? null), "state") === "there";
  if (what !== undefined) await confirmReplacing(call, what);
  const replaceStorage = what === "storage" || what === "all";
  const key = there && !replaceStorage ? await askKey(call) : {};
  const result = await ask(call, {
    action: "create",
    ...key,
    ...(what === "backup" || what === "all" ? { replace: true } : {}),
    ...(replaceStorage ? { replaceStorage: true } : {}),
  });
  const recoveryKey = asString(field(result, "recoveryKey") ?? null);
  if (recoveryKey === null) return say(call, result, "the backup is on; its key is in the secret storage");
  return say(
    call,
    result,
    `the backup is on. This is the recovery key; it is shown once and kept nowhere:\n\n  ${recoveryKey}\n\nWrite it down: with it another device of this account reads what this one could.`,
  );
};

const progress = ({ outside }: Call): ((value: JsonValue) => void) => {
  return (value) => {
    const event = asObject(value);
    if (outside.stderr.isTty)
      outside.stderr.write(`\r${number(event, "done")} of ${number(event, "total")} sessions\x1b[K`);
  };
};

const countsText = (counts: JsonObject): string =>
  `${number(counts, "new")} new sessions, ${number(counts, "better")} readable from an earlier message on, ${number(counts, "known")} known already${number(counts, "failed") > 0 ? `, ${number(counts, "failed")} that could not be read` : ""}`;

const restore = async (call: Call): Promise<number> => {
  const key = call.options.withoutKey === true ? {} : await askKey(call);
  const result = await ask(call, { action: "restore", ...key }, progress(call));
  if (call.outside.stderr.isTty) call.outside.stderr.write("\r\x1b[K");
  return say(
    call,
    result,
    `${countsText(result)}; cross-signing: ${word(asObject(field(result, "crossSigning") ?? null), "state")}`,
  );
};

const exportFile = async (call: Call, file: string): Promise<number> => {
  const passphrase = await withAsker(call.outside, (asker) => asker.askSecret("Passphrase for the file"));
  const sessions: ExportedSession[] = [];
  const result = await ask(call, { action: "export" }, (value) => {
    for (const each of asList(field(asObject(value) ?? {}, "sessions") ?? []))
      sessions.push(parseExportedSession(each));
  });
  const text = encryptKeyFile(nodeProvider, sessions, passphrase);
  await writeNew(file, text);
  return say(call, result, `${sessions.length} sessions in ${file}`);
};

/** Never over a file that is there: it may be the only copy of older keys. */
const writeNew = async (file: string, text: string): Promise<void> => {
  try {
    await writeFile(file, text, { flag: "wx", mode: 0o600 });
  } catch (error) {
    throw new CliError(EXIT.failed, `${file}: cannot be written (${codeOf(error)})`, { cause: error });
  }
};

const codeOf = (error: unknown): string =>
  error instanceof Error && "code" in error ? String(error.code) : "unknown error";

const readKeys = async (file: string, passphrase: string): Promise<readonly ExportedSession[]> => {
  try {
    const { sessions } = decryptKeyFile(nodeProvider, await readFile(file, "utf8"), passphrase);
    return sessions;
  } catch (error) {
    if (error instanceof CryptoError)
      throw new CliError(EXIT.failed, `${file}: ${error.message}`, { cause: error });
    throw new CliError(EXIT.failed, `${file}: cannot be read (${codeOf(error)})`, { cause: error });
  }
};

const importFile = async (call: Call, file: string): Promise<number> => {
  const passphrase = await withAsker(call.outside, (asker) => asker.askSecret("Passphrase of the file"));
  const sessions = await readKeys(file, passphrase);
  const sum = { new: 0, better: 0, known: 0, failed: 0 };
  for (let at = 0; at < sessions.length; at += RESTORE_SLICE) {
    const slice = sessions.slice(at, at + RESTORE_SLICE).map(encodeExportedSession);
    // JSON of texts and flags, by its making.
    const counts = await ask(call, { action: "import", sessions: slice as unknown as JsonValue[] });
    for (const name of ["new", "better", "known", "failed"] as const) sum[name] += number(counts, name);
  }
  return say(call, sum, countsText(sum));
};

export type BackupAction = "status" | "create" | "restore" | "export" | "import";

export const backup = async (
  outside: Outside,
  configFile: string | undefined,
  action: BackupAction,
  file: string | undefined,
  options: BackupOptions,
): Promise<number> => {
  const call: Call = { outside, options, setting: await loadSetting(outside, configFile) };
  if (action === "status") return status(call);
  if (action === "create") return create(call);
  if (action === "restore") return restore(call);
  if (file === undefined) throw new CliError(EXIT.usage, `petrel backup ${action}: expected a file`);
  return action === "export" ? exportFile(call, file) : importFile(call, file);
};
