// How the configuration lets the agent in, its secrets read: the one place that does, for the agent and for the verbs beside it.
import type { Config } from "./config/config.ts";
import { readSecret, type SecretSource } from "./config/secrets.ts";
import type { Credentials } from "./matrix/login.ts";

/** Null: the configuration names none, so only what the store holds counts. Throws `SecretError` for a secret that cannot be read. */
export const credentialsOf = (
  { homeserver }: Pick<Config, "homeserver">,
  secrets: SecretSource,
): Credentials | null => {
  const { password, token, user } = homeserver;
  if (password !== undefined)
    return { kind: "password", user, password: readSecret(secrets, password, "homeserver.password") };
  if (token !== undefined)
    return { kind: "access-token", accessToken: readSecret(secrets, token, "homeserver.token") };
  return null;
};
