// The two requests of the sync loop (Client-Server API, "Filtering", "Syncing").
import { missing } from "./answer.ts";
import { pathOf } from "./call.ts";
import { asString, field } from "./json.ts";
import { LONG_POLL_GRACE_MS } from "./limits.ts";
import { parseSyncAnswer, type SyncAnswer } from "./sync-answer.ts";
import { type JsonObject, type MatrixClient, MatrixError } from "./types.ts";

type Requester = Pick<MatrixClient, "request" | "userId">;

/** The server's name for the filter; null when it takes no filters, or refuses this one. */
export const uploadFilter = async (
  client: Requester,
  filter: JsonObject,
  signal: AbortSignal,
): Promise<string | null> => {
  try {
    const path = pathOf("/_matrix/client/v3/user", client.userId, "filter");
    const body = await client.request("POST", path, { body: filter, signal });
    const id = asString(field(body, "filter_id"));
    if (id === null) throw missing("filter", "filter_id");
    return id;
  } catch (error) {
    if (error instanceof MatrixError && error.kind === "refused") return null;
    throw error;
  }
};

export interface SyncQuestion {
  /** Null: from the beginning. */
  readonly since: string | null;
  /** A filter's ID, or the filter itself as JSON text. */
  readonly filter: string;
  /** How long the server may wait for news. */
  readonly waitMs: number;
  readonly signal: AbortSignal;
}

export const askSync = async (client: Requester, question: SyncQuestion): Promise<SyncAnswer> => {
  const { since, filter, waitMs, signal } = question;
  const body = await client.request("GET", "/_matrix/client/v3/sync", {
    query: {
      filter,
      timeout: String(waitMs),
      // No presence of ours: servers limit it, and nobody may rely on it (the status card tells who is there).
      set_presence: "offline",
      use_state_after: "true",
      "org.matrix.msc4222.use_state_after": "true",
      ...(since === null ? {} : { since }),
    },
    timeoutMs: waitMs + LONG_POLL_GRACE_MS,
    signal,
  });
  return parseSyncAnswer(body);
};
