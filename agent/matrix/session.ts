// Who we are to the server, and a token that is good: opened from the store or by a login, renewed when it runs out, logged in again after a soft logout.
// Client-Server API, "Soft logout", "Refreshing access tokens". A new token is sealed, stored and on the disk before it is used: only its use ends the old one.
import type { Runtime } from "#agent/runtime.ts";
import type { Store } from "#agent/store/store.ts";
import { discover } from "./discovery.ts";
import type { Http } from "./http.ts";
import { type Credentials, type Grant, login, whoIs } from "./login.ts";
import { readSession, type StoredSession, writeDevice, writeGrant } from "./session-table.ts";
import { TokenKeeper } from "./token-keeper.ts";
import { MatrixError } from "./types.ts";

export interface Session {
  readonly userId: string;
  readonly deviceId: string;
  readonly baseUrl: string;
  /** Runs one request with a good token; when the server says that it is not, gets another one and runs it once more (a refused token means that nothing was done). */
  authorised<T>(request: (token: string) => Promise<T>): Promise<T>;
  /** Asks the server whether it sees us as the same user and device. Rejects with kind "auth" when it does not: nothing may go on then. */
  verify(signal?: AbortSignal): Promise<void>;
}

export interface SessionOptions {
  readonly runtime: Runtime;
  readonly store: Store;
  readonly http: Http;
  /** A server name or a base URL, as the operator wrote it. */
  readonly homeserver: string;
  /** Absent: only what the store holds. */
  readonly credentials?: Credentials;
  /** Shown in other clients' lists of devices. */
  readonly displayName: string;
  /** For the first login; made at random otherwise. */
  readonly deviceId?: string;
  /** Log in anew even where the store holds a token; as another device after a logout, when the server has forgotten this one. */
  readonly freshLogin?: "same-device" | "new-device";
}

const LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const DEVICE_ID_RANDOM = 10;

const newDeviceId = (options: SessionOptions): string => {
  const letters = [...options.runtime.random(DEVICE_ID_RANDOM)].map((byte) => LETTERS[byte % 32] ?? "A");
  return options.deviceId ?? `PETREL${letters.join("")}`;
};

// "drone1" and "@drone1:example.org" may be the same user; case counts (historical user IDs).
const isSameUser = (configured: string, userId: string): boolean =>
  configured.startsWith("@") ? configured === userId : userId.startsWith(`@${configured}:`);

const checkUser = (options: SessionOptions, userId: string): void => {
  const { credentials } = options;
  if (credentials?.kind !== "password" || isSameUser(credentials.user, userId)) return;
  throw new MatrixError(
    "local",
    `the store belongs to ${userId}, the config says ${credentials.user}: use another data folder for another user, or put the config right`,
  );
};

const deviceFor = async (options: SessionOptions, stored: StoredSession | null): Promise<string> => {
  if (stored !== null && options.freshLogin !== "new-device") return stored.deviceId;
  const deviceId = newDeviceId(options);
  // A login that fails must not cost the session that is there.
  if (stored !== null && stored.granted !== null) return deviceId;
  await writeDevice(options.store, options.homeserver, deviceId);
  return deviceId;
};

const checkGrant = (options: SessionOptions, stored: StoredSession | null, grant: Grant): void => {
  const before = stored?.granted;
  if (before === null || before === undefined) return;
  const sameDevice = options.freshLogin === "new-device" || stored?.deviceId === grant.deviceId;
  if (before.userId === grant.userId && sameDevice) return;
  throw new MatrixError(
    "auth",
    `the store belongs to ${before.userId}, device ${stored?.deviceId}; the login gave ${grant.userId}, device ${grant.deviceId}: use another data folder for it`,
  );
};

const firstLogin = async (
  options: SessionOptions,
  stored: StoredSession | null,
): Promise<Grant & { readonly baseUrl: string }> => {
  const { credentials, http, homeserver, store } = options;
  if (credentials === undefined)
    throw new MatrixError(
      "auth",
      `not logged in at ${homeserver}: run \`petrel login\`, or give a password or token in the config`,
    );
  const baseUrl = await discover(http, homeserver);
  const device = { id: await deviceFor(options, stored), displayName: options.displayName };
  const grant = await login(http, baseUrl, credentials, device);
  checkGrant(options, stored, grant);
  await writeGrant(store, homeserver, baseUrl, grant);
  options.runtime.log.info({ user: grant.userId, device: grant.deviceId, server: baseUrl }, "logged in");
  return { ...grant, baseUrl };
};

// What the store holds is used without asking the server: a device must start while its link is down.
const granted = async (options: SessionOptions): Promise<Grant & { readonly baseUrl: string }> => {
  const stored = readSession(options.store);
  const known = stored?.granted ?? null;
  if (stored === null || known === null || options.freshLogin !== undefined)
    return firstLogin(options, stored);
  checkUser(options, known.userId);
  const moved = stored.homeserver !== options.homeserver;
  const baseUrl = moved ? await discover(options.http, options.homeserver) : known.baseUrl;
  const grant = { ...known, baseUrl, deviceId: stored.deviceId, expiresInMs: null };
  if (moved) await writeGrant(options.store, options.homeserver, baseUrl, grant);
  return grant;
};

/** Opens what the store holds, or discovers the server and logs in. One try: the caller repeats it as `retryDelayMs` says. */
export const openSession = async (options: SessionOptions): Promise<Session> => {
  const { userId, deviceId, baseUrl, ...tokens } = await granted(options);
  const keeper = new TokenKeeper({ ...options, userId, deviceId, baseUrl }, tokens);

  const verify = async (signal?: AbortSignal): Promise<void> => {
    const seen = await keeper.authorised((token) => whoIs(options.http, baseUrl, token, signal));
    if (seen.userId === userId && (seen.deviceId === null || seen.deviceId === deviceId)) return;
    throw new MatrixError(
      "auth",
      `${baseUrl} takes us for ${seen.userId}, device ${seen.deviceId}; the store says ${userId}, device ${deviceId}: run \`petrel login\``,
    );
  };

  return { userId, deviceId, baseUrl, authorised: (request) => keeper.authorised(request), verify };
};
