// Getting tokens (Client-Server API, "Login", "Refreshing access tokens"): password, single-use login token, or an access token that the operator has.
import { missing } from "./answer.ts";
import { callJson } from "./call.ts";
import type { Http } from "./http.ts";
import { asInteger, asString, field, objectsOf } from "./json.ts";
import { type JsonObject, MatrixError } from "./types.ts";

/** How the agent may get in. Read from files or the environment by the config; never logged. */
export type Credentials =
  | { readonly kind: "password"; readonly user: string; readonly password: string }
  /** `m.login.token`: good for one login. */
  | { readonly kind: "token"; readonly token: string }
  | { readonly kind: "access-token"; readonly accessToken: string; readonly refreshToken?: string };

export interface Tokens {
  readonly accessToken: string;
  readonly refreshToken: string | null;
  /** From now; null when the server does not say, so presumably for ever. */
  readonly expiresInMs: number | null;
}

export interface Grant extends Tokens {
  readonly userId: string;
  readonly deviceId: string;
}

export interface Device {
  readonly id: string;
  readonly displayName: string;
}

/** What may stand in an HTTP header as a bearer token (RFC 6750 section 2.1), taken generously. */
const TOKEN = /^[\x21-\x7e]+$/;

/** Throws where a token could not be sent: a newline at the end of a file, usually. Says nothing of its text. */
export const checkToken = (token: string): void => {
  if (!TOKEN.test(token))
    throw new MatrixError(
      "local",
      "access token: expected printable ASCII without spaces or newlines; look at the file or variable that it comes from",
    );
};

const tokensOf = (body: JsonObject, what: string, refreshTokenNow: string | null): Tokens => {
  const accessToken = asString(field(body, "access_token"));
  if (accessToken === null || !TOKEN.test(accessToken)) throw missing(what, "access_token");
  return {
    accessToken,
    // Absent in the answer to a refresh: the old one goes on being good.
    refreshToken: asString(field(body, "refresh_token")) ?? refreshTokenNow,
    expiresInMs: asInteger(field(body, "expires_in_ms")),
  };
};

const LOGIN = "/_matrix/client/v3/login";

const flowOf = (credentials: Credentials): "m.login.password" | "m.login.token" =>
  credentials.kind === "password" ? "m.login.password" : "m.login.token";

const mustOffer = async (http: Http, baseUrl: string, flow: string): Promise<void> => {
  const body = await callJson(http, baseUrl, "GET", LOGIN);
  const offered = objectsOf(field(body, "flows")).map((entry) => asString(field(entry, "type")));
  if (offered.includes(flow)) return;
  throw new MatrixError(
    "refused",
    `${baseUrl}: expected a server that offers ${flow}, this one offers ${offered.join(", ") || "no login"}: give an access token in the config instead`,
  );
};

const loginBody = (
  credentials: Exclude<Credentials, { kind: "access-token" }>,
  device: Device,
): JsonObject => ({
  type: flowOf(credentials),
  device_id: device.id,
  initial_device_display_name: device.displayName,
  refresh_token: true,
  ...(credentials.kind === "password"
    ? { identifier: { type: "m.id.user", user: credentials.user }, password: credentials.password }
    : { token: credentials.token }),
});

const ADVICE: ReadonlyMap<string, string> = new Map([
  ["M_FORBIDDEN", "wrong user name or password: check both where the config points to"],
  ["M_USER_DEACTIVATED", "this account is deactivated: ask whoever runs the homeserver"],
  ["M_USER_LOCKED", "this account is locked: ask whoever runs the homeserver"],
  ["M_LIMIT_EXCEEDED", "too many logins for now"],
  ["M_UNKNOWN_TOKEN", "the access token is not (or no longer) good: get another one"],
]);

const explained = (error: unknown, baseUrl: string, credentials: Credentials): unknown => {
  if (!(error instanceof MatrixError) || error.errcode === null) return error;
  const advice = ADVICE.get(error.errcode);
  if (advice === undefined) return error;
  const said =
    credentials.kind === "token" && error.errcode === "M_FORBIDDEN"
      ? "the login token is not (or no longer) good: get a new one"
      : advice;
  const who = credentials.kind === "password" ? ` as ${credentials.user}` : "";
  return new MatrixError(error.kind, `login${who} at ${baseUrl}: ${said} (${error.errcode})`, {
    errcode: error.errcode,
    ...(error.status === null ? {} : { status: error.status }),
    ...(error.retryAfterMs === null ? {} : { retryAfterMs: error.retryAfterMs }),
    cause: error,
  });
};

const interactiveLogin = async (
  http: Http,
  baseUrl: string,
  credentials: Exclude<Credentials, { kind: "access-token" }>,
  device: Device,
): Promise<Grant> => {
  await mustOffer(http, baseUrl, flowOf(credentials));
  const secrets = [credentials.kind === "password" ? credentials.password : credentials.token];
  const body = await callJson(http, baseUrl, "POST", LOGIN, {
    body: loginBody(credentials, device),
    secrets,
  });
  const userId = asString(field(body, "user_id"));
  if (userId === null) throw missing(`login at ${baseUrl}`, "user_id");
  return {
    ...tokensOf(body, `login at ${baseUrl}`, null),
    userId,
    deviceId: asString(field(body, "device_id")) ?? device.id,
  };
};

/** Who a token belongs to; `deviceId` null when the server does not say. */
export const whoIs = async (
  http: Http,
  baseUrl: string,
  token: string,
  signal?: AbortSignal,
): Promise<{ readonly userId: string; readonly deviceId: string | null }> => {
  const body = await callJson(http, baseUrl, "GET", "/_matrix/client/v3/account/whoami", {
    token,
    ...(signal === undefined ? {} : { signal }),
  });
  const userId = asString(field(body, "user_id"));
  if (userId === null) throw missing(`whoami at ${baseUrl}`, "user_id");
  return { userId, deviceId: asString(field(body, "device_id")) };
};

// The token decides which device we are.
const adoptToken = async (
  http: Http,
  baseUrl: string,
  credentials: Extract<Credentials, { kind: "access-token" }>,
): Promise<Grant> => {
  checkToken(credentials.accessToken);
  const { userId, deviceId } = await whoIs(http, baseUrl, credentials.accessToken);
  if (deviceId === null)
    throw new MatrixError(
      "refused",
      `${baseUrl}: the access token of ${userId} belongs to no device, which the agent needs: log in with a password, or take the token of a device`,
    );
  const refreshToken = credentials.refreshToken ?? null;
  return { accessToken: credentials.accessToken, refreshToken, expiresInMs: null, userId, deviceId };
};

/** Logs in as `device` (or takes the device of the token). Rejects with one line that says what to do. */
export const login = async (
  http: Http,
  baseUrl: string,
  credentials: Credentials,
  device: Device,
): Promise<Grant> => {
  try {
    return credentials.kind === "access-token"
      ? await adoptToken(http, baseUrl, credentials)
      : await interactiveLogin(http, baseUrl, credentials, device);
  } catch (error) {
    throw explained(error, baseUrl, credentials);
  }
};

/** New tokens for a refresh token. The old pair stays good until the new one is used, so that a lost answer can be asked for again. */
export const refreshTokens = async (http: Http, baseUrl: string, refreshToken: string): Promise<Tokens> => {
  const body = await callJson(http, baseUrl, "POST", "/_matrix/client/v3/refresh", {
    body: { refresh_token: refreshToken },
    secrets: [refreshToken],
  });
  return tokensOf(body, `refresh at ${baseUrl}`, refreshToken);
};
