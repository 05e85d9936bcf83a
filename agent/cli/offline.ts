// What a verb does when no agent runs: the command line takes the store's lock itself, and the session that lies in it.

import { credentialsOf } from "#agent/credentials.ts";
import { createClient } from "#agent/matrix/client.ts";
import { createHttp } from "#agent/matrix/http.ts";
import { openSession, type Session, type SessionOptions } from "#agent/matrix/session.ts";
import { type MatrixClient, MatrixError } from "#agent/matrix/types.ts";
import type { Outside } from "#agent/outside.ts";
import type { Log, Runtime } from "#agent/runtime.ts";
import type { Store } from "#agent/store/store.ts";
import { openOwnStore, type Setting, serverOf } from "./setting.ts";

const ignore = (): void => undefined;
const SILENT: Log = { debug: ignore, info: ignore, warn: ignore, error: ignore };

export const quietRuntime = ({ clock, random, timers }: Outside): Runtime => ({
  clock,
  random,
  timers,
  log: SILENT,
});

export const withStore = async <T>(
  outside: Outside,
  setting: Setting,
  work: (store: Store, runtime: Runtime) => Promise<T>,
): Promise<T> => {
  const runtime = quietRuntime(outside);
  outside.umask(0o077);
  const store = await openOwnStore(outside, setting, runtime);
  try {
    return await work(store, runtime);
  } finally {
    await store.close();
  }
};

export interface Online {
  readonly store: Store;
  readonly session: Session;
  readonly client: MatrixClient;
  readonly runtime: Runtime;
  readonly signal: AbortSignal;
}

/** A session over the store, for as long as `work` takes; a signal of the system ends it. */
export const withSession = <T>(
  outside: Outside,
  setting: Setting,
  more: Partial<Pick<SessionOptions, "credentials" | "freshLogin">>,
  work: (online: Online) => Promise<T>,
): Promise<T> =>
  withStore(outside, setting, async (store, runtime) => {
    const aborter = new AbortController();
    const forget = outside.onSignal(() => aborter.abort());
    const deviceId = setting.config.homeserver.device_id;
    const credentials = more.credentials ?? credentialsOf(setting.config, setting.secrets);
    try {
      const http = createHttp({ timers: runtime.timers, signal: aborter.signal });
      const session = await openSession({
        runtime,
        store,
        http,
        homeserver: serverOf(setting),
        displayName: `Petrel ${setting.config.device.name}`,
        ...(credentials === null ? {} : { credentials }),
        ...(deviceId === undefined ? {} : { deviceId }),
        ...(more.freshLogin === undefined ? {} : { freshLogin: more.freshLogin }),
      });
      return await work({
        store,
        session,
        client: createClient({ http, session }),
        runtime,
        signal: aborter.signal,
      });
    } catch (error) {
      if (error instanceof MatrixError && error.kind === "aborted")
        throw new MatrixError("aborted", "interrupted", { cause: error });
      throw error;
    } finally {
      forget();
      aborter.abort();
    }
  });
