// The content repository (Client-Server API, "Content repository"): upload, authenticated download, the legacy endpoints.
import { type Call, open, param, type Route, type SignedCall, signed } from "../call.ts";
import type { JsonObject } from "../json.ts";
import { notFound, Refusal, type Reply, reply } from "../refusal.ts";
import { freshId, type World } from "../world.ts";

const put = (call: SignedCall, mediaId: string): JsonObject => {
  const contentType = call.headers["content-type"];
  const name = call.query.get("filename");
  call.world.media.set(mediaId, {
    contentType: typeof contentType === "string" ? contentType : "application/octet-stream",
    bytes: call.bytes,
    name,
  });
  return { content_uri: `mxc://${call.world.serverName}/${mediaId}` };
};

const refuseLarge = (world: World, bytes: number): Reply | null => {
  const { mediaBytesMax, mediaTooLarge } = world.profile;
  if (bytes <= mediaBytesMax) return null;
  if (mediaTooLarge === "cut") return reply(0, "cut");
  throw new Refusal(413, mediaTooLarge.errcode, "The upload is larger than the server allows");
};

const upload = (call: SignedCall): JsonObject | Reply => {
  return refuseLarge(call.world, call.bytes.length) ?? put(call, freshId(call.world, "media").slice(0, 24));
};

const create = (call: SignedCall): JsonObject => {
  if (!call.world.profile.extras) throw new Refusal(404, "M_UNRECOGNIZED", "Unrecognized request");
  const mediaId = freshId(call.world, "media").slice(0, 24);
  return { content_uri: `mxc://${call.world.serverName}/${mediaId}` };
};

const uploadTo = (call: SignedCall): JsonObject | Reply => {
  if (!call.world.profile.extras) throw new Refusal(404, "M_UNRECOGNIZED", "Unrecognized request");
  const tooLarge = refuseLarge(call.world, call.bytes.length);
  if (tooLarge !== null) return tooLarge;
  put(call, param(call, "mediaId"));
  return {};
};

const download = (call: Call): Reply => {
  const media =
    param(call, "server") === call.world.serverName
      ? call.world.media.get(param(call, "mediaId"))
      : undefined;
  if (media === undefined) throw notFound("Not found");
  const name = media.name === null ? "" : `; filename="${media.name.replaceAll('"', "")}"`;
  return reply(200, media.bytes, {
    "content-type": media.contentType,
    "content-disposition": `attachment${name}`,
  });
};

const legacyDownload = (call: Call): Reply => {
  if (!call.world.profile.legacyMediaPublic) throw notFound("Not found");
  return download(call);
};

const config = ({ world }: Call): JsonObject => ({ "m.upload.size": world.profile.mediaBytesMax });

export const mediaRoutes: readonly Route[] = [
  signed("POST", "/_matrix/media/v3/upload", upload, true),
  signed("POST", "/_matrix/media/v1/create", create),
  signed("PUT", "/_matrix/media/v3/upload/:server/:mediaId", uploadTo, true),
  signed("GET", "/_matrix/client/v1/media/download/:server/:mediaId", download),
  signed("GET", "/_matrix/client/v1/media/download/:server/:mediaId/:name", download),
  signed("GET", "/_matrix/client/v1/media/config", config),
  signed("GET", "/_matrix/media/v3/config", config),
  open("GET", "/_matrix/media/v3/download/:server/:mediaId", legacyDownload),
  open("GET", "/_matrix/media/v3/download/:server/:mediaId/:name", legacyDownload),
];
