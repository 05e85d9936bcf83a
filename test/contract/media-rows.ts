// The content repository. Client-Server API, "Content repository".
import { at, type CallOptions, call, text } from "#test/peers/http.ts";
import { all, type Client, type Row, row, verdict } from "./contract.ts";

const upload = (client: Client, bytes: Uint8Array, more: CallOptions = {}) =>
  client.call("POST", "/_matrix/media/v3/upload", {
    raw: bytes,
    contentType: "application/octet-stream",
    query: { filename: "data.bin" },
    ...more,
  });

const sizeMax = async (client: Client): Promise<number> =>
  Number(at(await client.ok("GET", "/_matrix/client/v1/media/config"), "m.upload.size"));

const mediaPath = (mxc: string): string => mxc.replace("mxc://", "");

export const mediaRows: readonly Row[] = [
  all("gives uploaded bytes back to those who log in", [true, true, 401], async ({ server, user }) => {
    const client = await user();
    const bytes = Uint8Array.from({ length: 1000 }, (_, index) => (index * 7) % 256);
    const mxc = text((await upload(client, bytes)).json, "content_uri");
    const path = `/_matrix/client/v1/media/download/${mediaPath(mxc)}`;
    const back = await client.call("GET", path);
    const stranger = await call(server().url, "GET", path);
    return [
      back.bytes.equals(bytes),
      (back.headers["content-type"] ?? "").startsWith("application/octet-stream"),
      stranger.status,
    ];
  }),
  row(
    "table, legacy media download without token",
    { synapse: 404, dendrite: 200, conduit: 404 },
    async ({ server, user }) => {
      const client = await user();
      const mxc = text((await upload(client, Buffer.from("public?"))).json, "content_uri");
      return (await call(server().url, "GET", `/_matrix/media/v3/download/${mediaPath(mxc)}`)).status;
    },
  ),
  row(
    "the largest upload, in bytes",
    { synapse: 52_428_800, dendrite: 10_485_760, conduit: 20_000_000 },
    async ({ user }) => sizeMax(await user()),
  ),
  row(
    "table, media over the limit",
    { synapse: "cut", dendrite: [413, "M_UNKNOWN"], conduit: [413, "M_TOO_LARGE"] },
    async ({ user }) => {
      const client = await user();
      const bytes = Buffer.alloc((await sizeMax(client)) + 1024);
      try {
        return verdict(await upload(client, bytes, { bodyAfterMs: 300 }));
      } catch {
        return "cut";
      }
    },
  ),
  all("does not find media it does not have", 404, async ({ server, user }) => {
    const client = await user();
    const path = `/_matrix/client/v1/media/download/${server().serverName}/nosuchmedia0000000000000`;
    return (await client.call("GET", path)).status;
  }),
];
