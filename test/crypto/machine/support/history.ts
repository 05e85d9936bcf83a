// Giving and taking a bundle of history over the loopback homeserver, as the agent does it.
import { decryptAttachment, encryptAttachment } from "#crypto/attachments.ts";
import {
  type BundlePart,
  encodeBundle,
  type ReadBundle,
  readBundle,
  readRefusal,
} from "#crypto/machine/history/bundle.ts";
import type { WantedHistory } from "#crypto/machine/history/receive.ts";
import { nodeProvider } from "#crypto/provider/node.ts";
import type { JsonObject } from "#crypto/shape.ts";
import type { Homeserver } from "#test/homeserver/homeserver.ts";
import type { Client } from "./loopback.ts";

/** The bundle of a room, as JSON; null: nothing to give. */
export const bundleOf = ({ ours }: Client, roomId: string): JsonObject | null => {
  const parts: BundlePart[] = [];
  for (let after: string | null = null, first = true; first || after !== null; first = false) {
    const from: string | null = after;
    const part: BundlePart = ours.in((calls) => calls.historyPart(roomId, from));
    parts.push(part);
    after = part.after;
  }
  return encodeBundle(parts);
};

/** Uploads a sealed bundle; its `EncryptedFile`. */
export const upload = async (server: Homeserver, client: Client, bundle: JsonObject): Promise<JsonObject> => {
  const plaintext = new TextEncoder().encode(JSON.stringify(bundle));
  const { ciphertext, info } = encryptAttachment(nodeProvider, plaintext);
  const answer = await fetch(`${server.url}/_matrix/media/v3/upload`, {
    method: "POST",
    headers: {
      authorization: `Bearer ${client.user.accessToken}`,
      "content-type": "application/octet-stream",
    },
    body: new Uint8Array(ciphertext),
  });
  const { content_uri: url } = (await answer.json()) as { content_uri: string };
  return { ...info, url };
};

/** Tells a user's devices of it; how many. */
export const tell = async (
  client: Client,
  roomId: string,
  userId: string,
  file: JsonObject,
): Promise<number> => {
  for (let round = 0; round < 5; round += 1) {
    const share = client.ours.in((calls) => calls.shareHistory(roomId, userId, file));
    await client.pump();
    if (share.queries + share.claims === 0) return share.devices;
  }
  throw new Error("something is under way for ever");
};

/** Fetches and takes what a bundle holds; how many sessions were new. */
export const take = async (
  server: Homeserver,
  client: Client,
  { file, roomId }: WantedHistory,
): Promise<number> => {
  const path = String(file["url"]).replace("mxc://", `${server.url}/_matrix/client/v1/media/download/`);
  const answer = await fetch(path, { headers: { authorization: `Bearer ${client.user.accessToken}` } });
  const ciphertext = new Uint8Array(await answer.arrayBuffer());
  return takeRead(client, roomId, readBundle(decryptAttachment(nodeProvider, ciphertext, file)));
};

export const takeRead = ({ ours }: Client, roomId: string, { roomKeys, withheld }: ReadBundle): number => {
  const refused = new Set(withheld.flatMap((each) => readRefusal(roomId, each)?.sessionId ?? []));
  const counts = ours.in((calls) => calls.takeHistory(roomId, roomKeys, refused));
  ours.in((calls) => calls.takeHistoryRefusals(roomId, withheld));
  ours.in((calls) => calls.historyDone(roomId));
  return counts.new;
};
