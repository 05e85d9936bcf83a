// How a pack gets to the server as a file: sealed wherever the agent encrypts at all, since the room's own answer might come only after the upload.

import type { JsonObject, MatrixClient } from "#agent/matrix/types.ts";
import { type SealedAttachment, sealAttachment, uploadSealed } from "#agent/media/attachment.ts";
import type { Runtime } from "#agent/runtime.ts";
import { nodeProvider } from "#crypto/provider/node.ts";

/** Makes one file ready; each call of what it gives is one try with the same bytes. Rejects with `MatrixError`. */
export type Uploads = (bytes: Uint8Array) => Promise<() => Promise<JsonObject | string>>;

export interface UploadsOptions {
  readonly client: Pick<MatrixClient, "upload">;
  readonly runtime: Runtime;
  readonly signal: AbortSignal;
  /** False only where no room of ours may be encrypted (`encryption.enabled: false`). */
  readonly sealed: boolean;
}

const PACK_TYPE = "application/octet-stream";

export const createUploads =
  ({ client, runtime, sealed, signal }: UploadsOptions): Uploads =>
  async (bytes) => {
    if (!sealed) return () => client.upload(bytes, PACK_TYPE);
    const attachment: SealedAttachment = await sealAttachment(
      { provider: nodeProvider, runtime, signal },
      bytes,
    );
    return () => uploadSealed(client, attachment);
  };
