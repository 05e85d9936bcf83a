// The way out of a refusal: this store becomes another device of its account. Everything that was accepted and not delivered stays; what may have been sent by
// the old device, or by a copy, is looked for in the room before it is sent (outbox); new readings get a stream of their own, since a copy goes on numbering the
// old one. The old device's keys are left behind when the engine starts (encryption/own-device.ts).
import { doubtAll } from "#agent/delivery/outbox.ts";
import { endStream } from "#agent/journal/stream.ts";
import { callJson } from "#agent/matrix/call.ts";
import type { Http } from "#agent/matrix/http.ts";
import type { Credentials } from "#agent/matrix/login.ts";
import { openSession } from "#agent/matrix/session.ts";
import { readSession, type StoredSession } from "#agent/matrix/session-table.ts";
import { MatrixError } from "#agent/matrix/types.ts";
import type { Runtime } from "#agent/runtime.ts";
import type { Store } from "#agent/store/store.ts";

export interface ResetContext {
  readonly store: Store;
  readonly runtime: Runtime;
  readonly http: Http;
  readonly homeserver: string;
  readonly displayName: string;
  readonly credentials: Credentials;
  /** Leave the old device logged in: a copy goes on with it. */
  readonly keepOld: boolean;
}

export interface Reset {
  readonly userId: string;
  readonly before: string;
  readonly now: string;
  /** Null: it is logged out, or was to stay. Else why it could not be. */
  readonly stillThere: string | null;
}

const STREAM_NAME_BYTES = 9;

const LOGOUT = "/_matrix/client/v3/logout";

/** With the token that only it has. One that the server does not know any more is logged out already. */
const logOut = async ({ http }: ResetContext, { granted }: StoredSession): Promise<string | null> => {
  if (granted === null) return null;
  try {
    await callJson(http, granted.baseUrl, "POST", LOGOUT, { token: granted.accessToken, body: {} });
    return null;
  } catch (error) {
    if (!(error instanceof MatrixError)) throw error;
    return error.kind === "auth" ? null : error.message;
  }
};

/** Rejects with a `MatrixError` where the login fails: then nothing has changed. */
export const resetDevice = async (context: ResetContext): Promise<Reset> => {
  const { credentials, displayName, homeserver, http, keepOld, runtime, store } = context;
  const old = readSession(store);
  if (old === null)
    throw new MatrixError("local", "this store was never logged in: there is nothing to reset");
  const streamName = Buffer.from(runtime.random(STREAM_NAME_BYTES)).toString("base64url");
  // First: who dies after this has only looked for more than he had to.
  await store.transaction((database) => {
    doubtAll(database);
    endStream(database, streamName);
  });
  const session = await openSession({
    runtime,
    store,
    http,
    homeserver,
    displayName,
    credentials,
    freshLogin: "new-device",
  });
  const stillThere = keepOld || session.deviceId === old.deviceId ? null : await logOut(context, old);
  return { userId: session.userId, before: old.deviceId, now: session.deviceId, stillThere };
};
