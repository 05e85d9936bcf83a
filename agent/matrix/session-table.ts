// The one row of `matrix_session`. The device ID stands in it before the first login, so that a login whose answer was lost makes no second device.
// Tokens are sealed before they touch the database, and durable before anybody uses them.
import type { Database, Row, Store, Vault } from "#agent/store/store.ts";
import type { Grant, Tokens } from "./login.ts";

export interface StoredSession {
  readonly homeserver: string;
  readonly deviceId: string;
  /** Null until the first login has succeeded. */
  readonly granted: StoredGrant | null;
}

export interface StoredGrant {
  readonly baseUrl: string;
  readonly userId: string;
  readonly accessToken: string;
  readonly refreshToken: string | null;
}

const ACCESS = "session/access_token";
const REFRESH = "session/refresh_token";

const seal = (vault: Vault, context: string, token: string): Uint8Array =>
  vault.seal(context, Buffer.from(token, "utf8"));

const unseal = (vault: Vault, context: string, sealed: Uint8Array): string =>
  Buffer.from(vault.open(context, sealed)).toString("utf8");

const grantOf = (vault: Vault, row: Row): StoredGrant | null => {
  const { base_url: baseUrl, user_id: userId, access_token: access, refresh_token: refresh } = row;
  if (typeof baseUrl !== "string" || typeof userId !== "string" || !(access instanceof Uint8Array))
    return null;
  return {
    baseUrl,
    userId,
    accessToken: unseal(vault, ACCESS, access),
    refreshToken: refresh instanceof Uint8Array ? unseal(vault, REFRESH, refresh) : null,
  };
};

export const readSession = (store: Store): StoredSession | null => {
  const row = store.read((database) => database.prepare("SELECT * FROM matrix_session WHERE id = 1").get());
  if (row === null) return null;
  return {
    homeserver: String(row["homeserver"]),
    deviceId: String(row["device_id"]),
    granted: grantOf(store.vault, row),
  };
};

const durably = async (store: Store, work: (database: Database) => void): Promise<void> => {
  await store.transaction(work);
  await store.durable();
};

/** Which device the coming login is for. */
export const writeDevice = (store: Store, homeserver: string, deviceId: string): Promise<void> =>
  durably(store, (database) => {
    database
      .prepare("INSERT OR REPLACE INTO matrix_session (id, homeserver, device_id) VALUES (1, ?, ?)")
      .run(homeserver, deviceId);
  });

export const writeGrant = (
  store: Store,
  homeserver: string,
  baseUrl: string,
  grant: Grant,
): Promise<void> => {
  const refresh = grant.refreshToken === null ? null : seal(store.vault, REFRESH, grant.refreshToken);
  const access = seal(store.vault, ACCESS, grant.accessToken);
  return durably(store, (database) => {
    database
      .prepare(
        `INSERT OR REPLACE INTO matrix_session
         (id, homeserver, device_id, base_url, user_id, access_token, refresh_token) VALUES (1, ?, ?, ?, ?, ?, ?)`,
      )
      .run(homeserver, grant.deviceId, baseUrl, grant.userId, access, refresh);
  });
};

export const writeTokens = (store: Store, tokens: Tokens): Promise<void> => {
  const refresh = tokens.refreshToken === null ? null : seal(store.vault, REFRESH, tokens.refreshToken);
  const access = seal(store.vault, ACCESS, tokens.accessToken);
  return durably(store, (database) => {
    database
      .prepare("UPDATE matrix_session SET access_token = ?, refresh_token = ? WHERE id = 1")
      .run(access, refresh);
  });
};
