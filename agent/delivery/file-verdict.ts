// What a failed upload of a file means (Client-Server API, "Content repository"), as pure functions: another try, smaller files, or no files for a while.
// Nothing is lost by any of it: the readings are still in the journal and go as packs within events instead.
import { retryDelayMs } from "#agent/matrix/retry.ts";
import type { MatrixError } from "#agent/matrix/types.ts";
import type { Random } from "#agent/runtime.ts";
import { FILE_REFUSED_MS, FILE_RETRY_MS, FILE_TRIES_MAX } from "./limits.ts";

export type UploadVerdict =
  /** The same bytes again. What an earlier try left at the server nobody refers to. */
  | { readonly kind: "again"; readonly delayMs: number }
  | { readonly kind: "smaller" }
  /** Packs within events for so long. */
  | { readonly kind: "without"; readonly forMs: number }
  | { readonly kind: "stop" };

const isTooLarge = ({ errcode, status }: MatrixError): boolean => status === 413 || errcode === "M_TOO_LARGE";

/** @param failures in a row of this file, this one included */
export const uploadVerdictOf = (error: MatrixError, failures: number, random: Random): UploadVerdict => {
  if (error.kind === "aborted" || error.kind === "auth") return { kind: "stop" };
  if (isTooLarge(error)) return { kind: "smaller" };
  // Switched off, not allowed, or a quota is used up: an administrator's business, or tomorrow's.
  if (error.kind === "refused" || error.kind === "local") return { kind: "without", forMs: FILE_REFUSED_MS };
  const delayMs = failures >= FILE_TRIES_MAX ? null : retryDelayMs(error, failures, random);
  // A network or proxy that cuts what is long may let short events through.
  return delayMs === null ? { kind: "without", forMs: FILE_RETRY_MS } : { kind: "again", delayMs };
};
