// Answers may come compressed (RFC 9110 section 8.4.1.3). Bounded by the size of what comes out: a few bytes can unpack to gigabytes.
import { gunzip as unpack } from "node:zlib";

/** The unpacked bytes, or "too-large". Rejects when the bytes are no gzip stream. Runs in the thread pool. */
export const gunzip = (packed: Buffer, bytesMax: number): Promise<Buffer | "too-large"> =>
  new Promise((resolve, reject) => {
    unpack(packed, { maxOutputLength: bytesMax }, (error, plain) => {
      if (error === null) resolve(plain);
      else if ("code" in error && error.code === "ERR_BUFFER_TOO_LARGE") resolve("too-large");
      else reject(error);
    });
  });
