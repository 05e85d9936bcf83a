// Where a ratchet stood when it encrypted something, read from the outside (Client-Server API, "Megolm: message format").
import { decodeBase64 } from "#crypto/base64.ts";

/** The index of a Megolm message: version 3, field 0x08, a varint. */
export const megolmIndexOf = (ciphertext: string): number => {
  const bytes = decodeBase64(ciphertext);
  let index = 0;
  for (let at = 2, shift = 0; ; at += 1, shift += 7) {
    const byte = bytes[at] ?? 0;
    index += (byte & 0x7f) * 2 ** shift;
    if (byte < 0x80) return index;
  }
};

export interface CipherContent {
  readonly session_id?: unknown;
  readonly ciphertext?: unknown;
}

/** By session and index, the ciphertexts that stand for it: two of them would be two plaintexts under one key. */
export const byIndex = (contents: Iterable<CipherContent>): Map<string, Set<string>> => {
  const found = new Map<string, Set<string>>();
  for (const content of contents) {
    const ciphertext = String(content.ciphertext);
    const name = `${String(content.session_id)} ${megolmIndexOf(ciphertext)}`;
    found.set(name, (found.get(name) ?? new Set()).add(ciphertext));
  }
  return found;
};
