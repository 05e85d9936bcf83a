// Encrypted attachments (Client-Server API, "Sending encrypted attachments"; content repository v1.11, authenticated): a file sealed under a key of its own,
// uploaded until it is there, and the way back. The key stands in the `file` that belongs into an encrypted event and nowhere else.
//
// An upload may be made twice without harm: each answer names another file, nobody refers to the one whose answer was lost, and both hold the same
// ciphertext, so nothing is learnt from having the two. What must not happen twice is the event: that is the outbox's business.
import { retried } from "#agent/matrix/retry.ts";
import { type JsonObject, type MatrixClient, MatrixError } from "#agent/matrix/types.ts";
import { pause, type Runtime } from "#agent/runtime.ts";
import {
  type AttachmentDecryptor,
  type AttachmentInfo,
  encryptAttachmentStream,
  verifyAttachment,
} from "#crypto/attachments.ts";
import { CryptoError } from "#crypto/errors.ts";
import type { CryptoProvider } from "#crypto/provider.ts";
import { SLICE_BYTES } from "./limits.ts";

/** What an attachment needs of the agent. `signal` ends the tries. */
export interface MediaAccess {
  readonly client: Pick<MatrixClient, "upload" | "download">;
  readonly provider: CryptoProvider;
  readonly runtime: Runtime;
  readonly signal: AbortSignal;
}

/** Encrypted, not yet at the server. Made once: each try uploads the same bytes. */
export interface SealedAttachment {
  readonly ciphertext: Uint8Array;
  readonly info: AttachmentInfo;
}

/** The `file` of an event (`EncryptedFile`). It holds the key. */
export type EncryptedFile = JsonObject & { readonly url: string };

/** Ciphertext says nothing of what is in it, and neither may its type ("Sending encrypted attachments"). */
const CIPHERTEXT_TYPE = "application/octet-stream";

/** Bytes piece by piece, others in between. */
const inSlices = async (
  { runtime, signal }: Pick<MediaAccess, "runtime" | "signal">,
  bytes: Uint8Array,
  work: (piece: Uint8Array, at: number) => void,
): Promise<void> => {
  for (let at = 0; at < bytes.length; at += SLICE_BYTES) {
    if (at > 0) await pause(runtime.timers, 0, signal);
    if (signal.aborted) throw new MatrixError("aborted", "attachment: the agent is stopping");
    work(bytes.subarray(at, at + SLICE_BYTES), at);
  }
};

/** Encrypts under a fresh key; the ciphertext has the plaintext's length. */
export const sealAttachment = async (
  access: Pick<MediaAccess, "provider" | "runtime" | "signal">,
  plaintext: Uint8Array,
): Promise<SealedAttachment> => {
  const encryptor = encryptAttachmentStream(access.provider);
  const ciphertext = new Uint8Array(plaintext.length);
  await inSlices(access, plaintext, (piece, at) => ciphertext.set(encryptor.update(piece), at));
  return { ciphertext, info: encryptor.finish() };
};

const fileOf = ({ hashes, iv, key, v }: AttachmentInfo, url: string): EncryptedFile => ({
  v,
  url,
  key: { ...key, key_ops: [...key.key_ops] },
  iv,
  hashes: { ...hashes },
});

/**
 * One try, for who has a policy of retrying of its own.
 *
 * @throws MatrixError: kind "local", M_TOO_LARGE when the server takes no file of this size (asked before a byte is sent); else as any request
 */
export const uploadSealed = async (
  client: Pick<MatrixClient, "upload">,
  sealed: SealedAttachment,
): Promise<EncryptedFile> => fileOf(sealed.info, await client.upload(sealed.ciphertext, CIPHERTEXT_TYPE));

/**
 * Encrypts and uploads, trying until the server has it, says no, or the signal ends it.
 *
 * @throws MatrixError as {@link uploadSealed}, of the last try
 */
export const uploadAttachment = async (
  access: MediaAccess,
  plaintext: Uint8Array,
): Promise<EncryptedFile> => {
  const sealed = await sealAttachment(access, plaintext);
  return retried(access.runtime, access.signal, () => uploadSealed(access.client, sealed));
};

const urlOf = (file: unknown): string => {
  // A property of an object of unknown shape: read, then checked.
  const url = typeof file === "object" && file !== null ? (file as { url?: unknown }).url : undefined;
  if (typeof url === "string") return url;
  throw new CryptoError("FORMAT", "attachment: expected a `file` with a url, found none");
};

const decrypted = async (
  access: MediaAccess,
  ciphertext: Uint8Array,
  decryptor: AttachmentDecryptor,
): Promise<Uint8Array> => {
  const plaintext = new Uint8Array(ciphertext.length);
  await inSlices(access, ciphertext, (piece, at) => plaintext.set(decryptor.update(piece), at));
  decryptor.finish();
  return plaintext;
};

/**
 * Downloads what a `file` names and decrypts it, if it is what was sent.
 *
 * @param file from an event, untrusted
 * @param bytesMax the largest file that is taken; the event's own `info.size` is the sender's word
 * @throws CryptoError FORMAT, VERSION, UNSUPPORTED, BASE64 for a `file` that is none (before anything is asked for), MAC when the bytes are not
 *   those that were sent; MatrixError when they cannot be had: errcode M_NOT_FOUND where the server has none, M_TOO_LARGE
 *   (kind "local"), kind "local" for a url that is none
 */
export const downloadAttachment = async (
  access: MediaAccess,
  file: unknown,
  bytesMax: number,
): Promise<Uint8Array> => {
  const url = urlOf(file);
  const verifier = verifyAttachment(access.provider, file);
  const ciphertext = await retried(access.runtime, access.signal, () =>
    access.client.download(url, bytesMax),
  );
  await inSlices(access, ciphertext, (piece) => verifier.update(piece));
  return decrypted(access, ciphertext, verifier.finish());
};
