// Files (Client-Server API, "Content repository"): the server's limit asked before an upload, downloads with the token, the older path where a server knows no other.
import { missing } from "./answer.ts";
import { pathOf } from "./call.ts";
import { asInteger, asString, field } from "./json.ts";
import { type JsonObject, MatrixError } from "./types.ts";

/** The client's way to make a request, as media needs it. */
export interface MediaCalls {
  json(path: string): Promise<JsonObject>;
  upload(
    path: string,
    content: Uint8Array,
    contentType: string,
    query: Readonly<Record<string, string>>,
  ): Promise<JsonObject>;
  bytes(path: string, bytesMax: number): Promise<Uint8Array>;
}

export interface Media {
  /** The largest file that the server takes, or null where it names no limit. Asked once. */
  uploadBytesMax(): Promise<number | null>;
  upload(content: Uint8Array, contentType: string, filename?: string): Promise<string>;
  download(mxcUri: string, bytesMax: number): Promise<Uint8Array>;
}

/** Server name and media ID of an `mxc://` URI, or null when it is none ("Matrix Content (MXC) URIs"). */
export const parseMxc = (uri: string): { readonly server: string; readonly mediaId: string } | null => {
  const match = /^mxc:\/\/([\w.:[\]-]{1,255})\/([\w-]{1,255})$/.exec(uri);
  const [, server, mediaId] = match ?? [];
  return server === undefined || mediaId === undefined ? null : { server, mediaId };
};

const isUnknownPath = (error: unknown): boolean =>
  error instanceof MatrixError &&
  (error.status === 404 || error.status === 405 || error.errcode === "M_UNRECOGNIZED");

/** The first path, and where the server does not know it the second. */
const either = async <T>(first: () => Promise<T>, second: () => Promise<T>): Promise<T> => {
  try {
    return await first();
  } catch (error) {
    if (!isUnknownPath(error)) throw error;
    return second();
  }
};

export const createMedia = (calls: MediaCalls): Media => {
  // Undefined until asked; null when the server names no limit.
  let asked: number | null | undefined;

  const uploadBytesMax = async (): Promise<number | null> => {
    if (asked !== undefined) return asked;
    const config = await either(
      () => calls.json("/_matrix/client/v1/media/config"),
      () =>
        either(
          () => calls.json("/_matrix/media/v3/config"),
          () => Promise.resolve({}),
        ),
    );
    asked = asInteger(field(config, "m.upload.size"));
    return asked;
  };

  // Synapse cuts the connection of an upload that is too large: it would look like a bad link and be tried for ever.
  const upload = async (content: Uint8Array, contentType: string, filename?: string): Promise<string> => {
    const limit = await uploadBytesMax();
    if (limit !== null && content.length > limit)
      throw new MatrixError(
        "local",
        `upload: expected at most ${limit} bytes (the server's m.upload.size), got ${content.length}`,
        {
          errcode: "M_TOO_LARGE",
        },
      );
    const query = filename === undefined ? {} : { filename };
    const body = await calls.upload("/_matrix/media/v3/upload", content, contentType, query);
    const uri = asString(field(body, "content_uri"));
    if (uri === null || parseMxc(uri) === null) throw missing("upload", "content_uri");
    return uri;
  };

  const download = async (mxcUri: string, bytesMax: number): Promise<Uint8Array> => {
    const mxc = parseMxc(mxcUri);
    if (mxc === null)
      throw new MatrixError("local", "download: expected mxc://<server>/<media ID>, got something else", {
        errcode: "M_BAD_JSON",
      });
    // The path before v1.11 is not frozen on servers that never learnt the new one.
    return either(
      () => calls.bytes(pathOf("/_matrix/client/v1/media/download", mxc.server, mxc.mediaId), bytesMax),
      () => calls.bytes(pathOf("/_matrix/media/v3/download", mxc.server, mxc.mediaId), bytesMax),
    );
  };

  return { uploadBytesMax, upload, download };
};
