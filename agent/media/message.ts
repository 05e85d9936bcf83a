// Messages that are files (Client-Server API, "m.image", "m.file", "m.audio", "m.video"): built with their `file` in an encrypted room and their `url` in a
// plain one, thumbnail included; and read.

import { asObject, asString, field } from "#agent/matrix/json.ts";
import { retried } from "#agent/matrix/retry.ts";
import { type JsonObject, MatrixError } from "#agent/matrix/types.ts";
import { downloadAttachment, type MediaAccess, uploadAttachment } from "./attachment.ts";

export interface Picture {
  readonly bytes: Uint8Array;
  readonly mimetype: string;
  readonly width?: number;
  readonly height?: number;
}

export interface MediaItem extends Picture {
  readonly kind: "image" | "file" | "audio" | "video";
  readonly name: string;
  /** What is said with it; without, clients show the name. */
  readonly caption?: string;
  readonly durationMs?: number;
  readonly thumbnail?: Picture;
}

const infoOf = ({ bytes, height, mimetype, width }: Picture): JsonObject => ({
  mimetype,
  size: bytes.length,
  ...(width === undefined ? {} : { w: width }),
  ...(height === undefined ? {} : { h: height }),
});

/** `{ file }` or `{ url }`, under the names that a thumbnail has where `prefix` is given. */
const uploaded = async (
  access: MediaAccess,
  { bytes, mimetype }: Picture,
  encrypted: boolean,
  prefix: "" | "thumbnail_",
): Promise<JsonObject> => {
  if (encrypted) return { [`${prefix}file`]: await uploadAttachment(access, bytes) };
  const url = await retried(access.runtime, access.signal, () => access.client.upload(bytes, mimetype));
  return { [`${prefix}url`]: url };
};

/**
 * Uploads and gives the content of the `m.room.message`. `encrypted`: what the room is; the content then holds the file's key and must not be sent in clear
 * (the outbox encrypts by itself in such a room, and never falls back).
 */
export const mediaMessage = async (
  access: MediaAccess,
  item: MediaItem,
  encrypted: boolean,
): Promise<JsonObject> => {
  const { caption, durationMs, kind, name, thumbnail } = item;
  const source = await uploaded(access, item, encrypted, "");
  const small =
    thumbnail === undefined
      ? {}
      : {
          ...(await uploaded(access, thumbnail, encrypted, "thumbnail_")),
          thumbnail_info: infoOf(thumbnail),
        };
  return {
    msgtype: `m.${kind}`,
    body: caption ?? name,
    filename: name,
    ...source,
    info: { ...infoOf(item), ...(durationMs === undefined ? {} : { duration: durationMs }), ...small },
  };
};

/**
 * The bytes of a message's file, encrypted or not.
 *
 * @throws as {@link downloadAttachment}; MatrixError of kind "local" for a message without a file
 */
export const downloadMedia = async (
  access: MediaAccess,
  content: JsonObject,
  bytesMax: number,
): Promise<Uint8Array> => {
  // The encrypted one wins: a `url` beside it would be somebody's way around its hash.
  const file = asObject(field(content, "file"));
  if (file !== null) return downloadAttachment(access, file, bytesMax);
  const url = asString(field(content, "url"));
  if (url === null) throw new MatrixError("local", "message: expected a file or a url, found neither");
  return retried(access.runtime, access.signal, () => access.client.download(url, bytesMax));
};
