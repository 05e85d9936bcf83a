// `petrel login`: logs in once, keeps the session sealed in the store, so that no password need lie on the device.
import { askAgent } from "#agent/control/client.ts";
import { credentialsOf } from "#agent/credentials.ts";
import { CliError, EXIT } from "#agent/exit.ts";
import type { Credentials } from "#agent/matrix/login.ts";
import type { Outside } from "#agent/outside.ts";
import { withSession } from "./offline.ts";
import { withProgress } from "./progress.ts";
import { withAsker } from "./prompt.ts";
import { loadSetting, type Setting, serverOf, socketOf } from "./setting.ts";

export interface LoginOptions {
  /** A login token (`m.login.token`) or an access token is read instead of a password. */
  readonly token?: boolean;
  /** Be a new device: after a logout the server has forgotten the old one. */
  readonly newDevice?: boolean;
  readonly json?: boolean;
}

export const credentialsFor = async (
  outside: Outside,
  setting: Setting,
  { token }: Pick<LoginOptions, "token">,
): Promise<Credentials> => {
  const { user } = setting.config.homeserver;
  const secret = (what: string): Promise<string> =>
    withAsker(outside, (asker) => asker.askSecret(`${what} of ${user}`));
  if (token) return { kind: "access-token", accessToken: (await secret("access token")).trim() };
  return (
    credentialsOf(setting.config, setting.secrets) ?? {
      kind: "password",
      user,
      password: await secret("password"),
    }
  );
};

interface LoggedIn {
  readonly userId: string;
  readonly deviceId: string;
  readonly homeserver: string;
}

const logIn = (
  outside: Outside,
  setting: Setting,
  credentials: Credentials,
  newDevice: boolean,
): Promise<LoggedIn> => {
  const freshLogin = newDevice ? ("new-device" as const) : ("same-device" as const);
  return withSession(outside, setting, { credentials, freshLogin }, async ({ client, session }) => {
    await session.verify();
    const { baseUrl, deviceId, userId } = client;
    return { userId, deviceId, homeserver: baseUrl };
  });
};

export const login = async (
  outside: Outside,
  configFile: string | undefined,
  options: LoginOptions,
): Promise<number> => {
  const setting = await loadSetting(outside, configFile);
  if ((await askAgent(socketOf(setting), { verb: "status", args: {} })) !== null)
    throw new CliError(EXIT.store, "the agent runs and is logged in: stop it first to log in anew");
  const credentials = await credentialsFor(outside, setting, options);
  const what = `logging in at ${serverOf(setting)}`;
  const done = await withProgress(outside, what, () =>
    logIn(outside, setting, credentials, options.newDevice === true),
  );
  const { deviceId, homeserver, userId } = done;
  outside.stdout.write(
    options.json
      ? `${JSON.stringify(done)}\n`
      : `logged in at ${homeserver} as ${userId}, device ${deviceId}; the session is kept, sealed, in ${setting.stateFolder}\n`,
  );
  return 0;
};
