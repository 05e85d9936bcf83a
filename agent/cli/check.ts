// `petrel check`: is the configuration right; with --online: does the server agree (address, login, rooms).
import type { Config } from "#agent/config/config.ts";
import { readSecret, revealSecrets } from "#agent/config/secrets.ts";
import type { Outside } from "#agent/outside.ts";
import { withSession } from "./offline.ts";
import { loadSetting, type Setting } from "./setting.ts";

export interface CheckOptions {
  readonly online: boolean;
  readonly json: boolean;
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

const askServer = (outside: Outside, setting: Setting): Promise<string[]> =>
  withSession(outside, setting, {}, async ({ client, session }) => {
    await session.verify();
    const { versions } = await client.versions();
    const joined = await client.joinedRooms();
    return [
      `${client.baseUrl}: logged in as ${client.userId}, device ${client.deviceId}`,
      `${client.baseUrl}: speaks Matrix up to ${versions.at(-1) ?? "an unknown version"}; in ${joined.length} rooms`,
    ];
  });

export const check = async (
  outside: Outside,
  configFile: string | undefined,
  { json, online }: CheckOptions,
): Promise<number> => {
  const setting = await loadSetting(outside, configFile);
  checkSecrets(setting);
  const lines = [`${setting.configFile}: right (${summary(setting.config)})`];
  if (online) lines.push(...(await askServer(outside, setting)));
  outside.stdout.write(
    json
      ? `${JSON.stringify({ ok: true, config: setting.configFile, notes: lines })}\n`
      : `${lines.join("\n")}\n`,
  );
  return 0;
};
