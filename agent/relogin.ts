// Another token after the server has forgotten ours: a login with what the configuration holds, as the same device where the server lets us (its name in
// the lists of others and our transaction IDs go on), else as a new one.
import type { Config } from "./config/config.ts";
import { createHttp } from "./matrix/http.ts";
import type { Credentials } from "./matrix/login.ts";
import { openSession, type SessionOptions } from "./matrix/session.ts";
import { readSession } from "./matrix/session-table.ts";
import { MatrixError } from "./matrix/types.ts";
import type { Runtime } from "./runtime.ts";
import type { Store } from "./store/store.ts";

export interface ReloginContext {
  readonly config: Pick<Config, "homeserver" | "device" | "encryption">;
  readonly runtime: Runtime;
  readonly store: Store;
  readonly credentials: Credentials;
}

/** The login succeeded, but as a device that is not ours. */
const isOtherDevice = (error: unknown): boolean =>
  error instanceof MatrixError && error.kind === "auth" && error.status === null;

/** Rejects with `MatrixError`; may be repeated. The new token is in the store then. */
export const loginAgain = async (
  { config, credentials, runtime, store }: ReloginContext,
  signal: AbortSignal,
): Promise<void> => {
  const { server, url } = config.homeserver;
  const options: SessionOptions = {
    runtime,
    store,
    http: createHttp({ timers: runtime.timers, signal }),
    homeserver: url ?? server ?? "",
    displayName: `Petrel ${config.device.name}`,
    credentials,
  };
  const granted = readSession(store);
  if (config.encryption.enabled && granted?.granted) {
    const { keysForgotten } = await import("./encryption/keys-forgotten.ts");
    await keysForgotten(store, runtime, granted.granted.userId, granted.deviceId);
  }
  try {
    await openSession({ ...options, freshLogin: "same-device" });
  } catch (error) {
    // As another device it makes other keys (encryption/own-device.ts); what is in doubt is looked for first, as always.
    if (!isOtherDevice(error) || credentials.kind !== "password") throw error;
    await openSession({ ...options, freshLogin: "new-device" });
  }
  const device = readSession(store)?.deviceId;
  runtime.log.info({ device }, "logged in again: the server did not know the token any more");
};
