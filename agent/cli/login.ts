// `petrel login`: logs in once, keeps the session sealed in the store, so that no password need lie on the device.
import { askAgent } from "#agent/control/client.ts";
import { SOCKET_NAME } from "#agent/control/protocol.ts";
import { CliError, EXIT } from "#agent/exit.ts";
import type { Credentials } from "#agent/matrix/login.ts";
import type { Outside } from "#agent/outside.ts";
import { configuredCredentials, withSession } from "./offline.ts";
import { askSecret } from "./prompt.ts";
import { loadSetting, type Setting } from "./setting.ts";

export interface LoginOptions {
  /** A login token (`m.login.token`) or an access token is read instead of a password. */
  readonly token: boolean;
  /** Be a new device: after a logout the server has forgotten the old one. */
  readonly newDevice: boolean;
  readonly json: boolean;
}

const credentialsFor = async (
  outside: Outside,
  setting: Setting,
  { token }: LoginOptions,
): Promise<Credentials> => {
  const { user } = setting.config.homeserver;
  if (token)
    return { kind: "access-token", accessToken: await askSecret(outside, `access token of ${user}`) };
  const configured = configuredCredentials(setting);
  if (configured !== null) return configured;
  return { kind: "password", user, password: await askSecret(outside, `password of ${user}`) };
};

export const login = async (
  outside: Outside,
  configFile: string | undefined,
  options: LoginOptions,
): Promise<number> => {
  const setting = await loadSetting(outside, configFile);
  if ((await askAgent(`${setting.stateFolder}/${SOCKET_NAME}`, { verb: "status", args: {} })) !== null)
    throw new CliError(EXIT.store, "the agent runs and is logged in: stop it first to log in anew");
  const credentials = await credentialsFor(outside, setting, options);
  const freshLogin = options.newDevice ? ("new-device" as const) : ("same-device" as const);
  await withSession(outside, setting, { credentials, freshLogin }, async ({ client, session }) => {
    await session.verify();
    const { baseUrl, deviceId, userId } = client;
    outside.stdout.write(
      options.json
        ? `${JSON.stringify({ userId, deviceId, homeserver: baseUrl })}\n`
        : `logged in at ${baseUrl} as ${userId}, device ${deviceId}; the session is kept, sealed, in ${setting.stateFolder}\n`,
    );
  });
  return 0;
};
