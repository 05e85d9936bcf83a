// The agent's client as who reads a room needs it: what is encrypted comes opened, where the agent can.
import type { Engine } from "#agent/encryption/engine.ts";
import type { MatrixClient } from "#agent/matrix/types.ts";

interface Reachable {
  client(): MatrixClient | null;
  engine(): Engine | null;
}

/** Null while the homeserver was not reached yet. */
export const readingClientOf = async (upstream: Reachable): Promise<MatrixClient | null> => {
  const client = upstream.client();
  const engine = upstream.engine();
  if (client === null || engine === null) return client;
  const { readingClient } = await import("#agent/encryption/reader.ts");
  return readingClient(client, (events) => engine.read(events));
};
