// `petrel check`: is the configuration right; with --online: does the server agree (address, login, rooms).
import type { Config } from "#agent/config/config.ts";
import { ConfigError } from "#agent/config/document.ts";
import { readSecret, revealSecrets } from "#agent/config/secrets.ts";
import { askAgent } from "#agent/control/client.ts";
import { onlineNotes } from "#agent/control/online-check.ts";
import { exitCodeOf, messageOf } from "#agent/exit.ts";
import { asList, asObject, field } from "#agent/matrix/json.ts";
import type { Outside } from "#agent/outside.ts";
import { withSession } from "./offline.ts";
import { withProgress } from "./progress.ts";
import { loadSetting, type Setting, serverOf, socketOf } from "./setting.ts";

export interface CheckOptions {
  readonly online?: boolean;
  readonly json?: boolean;
}

const summary = ({ channels, commands, drivers }: Config): string => {
  const count = (number: number, what: string): string => `${number} ${what}${number === 1 ? "" : "s"}`;
  return [
    count(drivers.size, "driver"),
    count(Object.keys(channels).length, "channel"),
    count(Object.keys(commands.list).length, "command"),
  ].join(", ");
};

/** Every secret that the file refers to can be read: better said now than at the next start. */
const checkSecrets = ({ config, secrets }: Setting): void => {
  const { password, token } = config.homeserver;
  if (password !== undefined) readSecret(secrets, password, "homeserver.password");
  if (token !== undefined) readSecret(secrets, token, "homeserver.token");
  for (const [name, { options }] of config.drivers) revealSecrets(secrets, options, `drivers.${name}`);
};

/** A running agent is asked; without one the stored session, or the credentials of the configuration. */
const askServer = async (outside: Outside, setting: Setting): Promise<string[]> => {
  const answer = await askAgent(socketOf(setting), { verb: "check", args: {} });
  if (answer !== null) return asList(field(asObject(answer.result) ?? {}, "notes")).map(String);
  return withSession(outside, setting, {}, async ({ client, session }) => {
    await session.verify();
    return onlineNotes(client, setting.config);
  });
};

/** Notes are handed on as they come: what was right is said even when the server then cannot be reached. */
const checkAll = async (
  outside: Outside,
  configFile: string | undefined,
  online: boolean,
  note: (line: string) => void,
): Promise<void> => {
  const setting = await loadSetting(outside, configFile);
  checkSecrets(setting);
  note(`${setting.configFile}: right (${summary(setting.config)})`);
  if (!online) return;
  const what = `asking ${serverOf(setting)}`;
  for (const line of await withProgress(outside, what, () => askServer(outside, setting))) note(line);
};

const checkForPeople = async (
  outside: Outside,
  configFile: string | undefined,
  online: boolean,
): Promise<number> => {
  await checkAll(outside, configFile, online, (line) => outside.stdout.write(`${line}\n`));
  return 0;
};

const problemsOf = (error: unknown): readonly object[] =>
  error instanceof ConfigError
    ? error.problems.map(({ place, ...problem }) => ({ ...problem, ...place }))
    : [];

const checkForScripts = async (
  outside: Outside,
  configFile: string | undefined,
  online: boolean,
): Promise<number> => {
  const notes: string[] = [];
  let code = 0;
  let failed = {};
  try {
    await checkAll(outside, configFile, online, (line) => notes.push(line));
  } catch (error) {
    code = exitCodeOf(error);
    failed = { error: messageOf(error), code, problems: problemsOf(error) };
  }
  outside.stdout.write(`${JSON.stringify({ ok: code === 0, notes, ...failed })}\n`);
  return code;
};

export const check = (
  outside: Outside,
  configFile: string | undefined,
  { json = false, online = false }: CheckOptions,
): Promise<number> => (json ? checkForScripts : checkForPeople)(outside, configFile, online);
