// PBKDF2 with HMAC-SHA-512 (RFC 8018) on Node's thread pool: a passphrase is stretched for a second and more, and the event loop runs on meanwhile.
import { pbkdf2 } from "node:crypto";
import type { Stretch } from "../secret-storage.ts";

export const nodeStretch: Stretch = (password, salt, iterations, length) =>
  new Promise((resolve, reject) => {
    // Node reads the password when the work begins, on another thread: the caller may fill its own with zeros only after that.
    const copy = password.slice();
    pbkdf2(copy, salt, iterations, length, "sha512", (error, key) => {
      copy.fill(0);
      if (error === null) resolve(Uint8Array.from(key));
      else reject(error);
      key.fill(0);
    });
  });
