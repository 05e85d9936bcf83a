// People's clients in processes of their own, typed: matrix-js-sdk (js-sdk.ts) and matrix-nio (nio_client.py). Begin here.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { cacheFolder } from "#scripts/servers/cache.ts";
import { type Peer, startProgram } from "../crypto/client.ts";
import type { JsonObject } from "../http.ts";

export interface ClientAccount {
  readonly userId: string;
  readonly deviceId: string;
  readonly accessToken: string;
  readonly password: string;
}

/** An event as its reader sees it. */
export interface SeenEvent {
  readonly id: string;
  readonly sender: string;
  readonly type: string;
  readonly content: JsonObject;
  /** Its content is that of a later edit (matrix-js-sdk). */
  readonly edited: boolean;
  /** Why it cannot be read; null: it can. */
  readonly failure: string | null;
  /** What Element would show beside it; null: it came in clear. */
  readonly shield: { readonly colour: "NONE" | "GREY" | "RED"; readonly reason: string | null } | null;
}

/** What was inside of an encrypted event. */
export interface Inside {
  readonly type: string;
  readonly content: JsonObject;
}

export interface Comparison {
  readonly emoji: readonly string[];
  readonly decimals: readonly number[];
}

export interface PersonClient {
  readonly account: ClientAccount;
  readonly peer: Peer;
  events(roomId: string): Promise<SeenEvent[]>;
  /** Events of the room as the server gives them to anybody, opened with this client's keys; null: it has none for it. */
  decrypt(raw: readonly JsonObject[]): Promise<(Inside | null)[]>;
  send(roomId: string, type: string, content: JsonObject): Promise<string>;
  sendImage(roomId: string, bytes: Uint8Array, name: string): Promise<string>;
  fetchImage(content: JsonObject): Promise<Uint8Array>;
  close(): Promise<void>;
}

const here = (name: string): string => fileURLToPath(new URL(name, import.meta.url));

export const NIO_VERSION = "0.26.0";
export const nioPython = (): string => join(cacheFolder(), `nio-${NIO_VERSION}`, "bin/python");

/** For `needs("matrix-nio", ...)`: its Python, where it is installed (`npm run peers`). */
export const nioAvailable = (): string | null => (existsSync(nioPython()) ? nioPython() : null);

const personOf = async (
  peer: Peer,
  url: string,
  account: ClientAccount,
  more: JsonObject = {},
): Promise<PersonClient> => {
  const { accessToken, deviceId, password, userId } = account;
  await peer.call("start", { url, accessToken, deviceId, password, userId, ...more });
  return {
    account,
    peer,
    events: (roomId) => peer.call("events", roomId),
    decrypt: (raw) => peer.call("decrypt", raw),
    send: (roomId, type, content) => peer.call("send", roomId, type, content),
    sendImage: (roomId, bytes, name) =>
      peer.call("sendImage", roomId, Buffer.from(bytes).toString("base64"), name),
    fetchImage: async (content) =>
      new Uint8Array(Buffer.from(await peer.call<string>("fetchImage", content), "base64")),
    close: () => peer.close(),
  };
};

const startedOrGone = async (peer: Peer, started: Promise<PersonClient>): Promise<PersonClient> => {
  try {
    return await started;
  } catch (error) {
    await peer.close();
    throw error;
  }
};

/** Element's insides. `identity`: makes the account's cross-signing keys at once, as Element does. */
export const startJsSdk = async (
  url: string,
  account: ClientAccount,
  { identity = true }: { readonly identity?: boolean } = {},
): Promise<PersonClient> => {
  const peer = startProgram("matrix-js-sdk", process.execPath, [here("./js-sdk.ts")]);
  const client = await startedOrGone(peer, personOf(peer, url, account));
  if (identity) await client.peer.call("bootstrapCrossSigning");
  return client;
};

/** matrix-nio with vodozemac; its keys in `storeFolder`, so that it can be started again. `sasOfTheSpecification`: README.md. */
export const startNio = (
  url: string,
  account: ClientAccount,
  storeFolder: string,
  { sasOfTheSpecification = false }: { readonly sasOfTheSpecification?: boolean } = {},
): Promise<PersonClient> => {
  const peer = startProgram("matrix-nio", nioPython(), [here("./nio_client.py")]);
  return startedOrGone(peer, personOf(peer, url, account, { store: storeFolder, sasOfTheSpecification }));
};
