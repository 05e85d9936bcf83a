// What the tests of the formats share: both providers, bytes and text, a refusal by its code, a search for a secret.
import { inspect } from "node:util";
import { expect } from "vitest";
import type { CryptoErrorCode } from "#crypto/errors.ts";
import { nobleProvider } from "#crypto/provider/noble.ts";
import { nodeProvider } from "#crypto/provider/node.ts";
import type { CryptoProvider } from "#crypto/provider.ts";

export const providers: readonly CryptoProvider[] = [nodeProvider, nobleProvider];

export const utf8 = (text: string): Uint8Array<ArrayBuffer> => new TextEncoder().encode(text);
export const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

/** 0, 1, 2, ... : bytes that a reader recognises. */
export const counting = (length: number, from = 0): Uint8Array<ArrayBuffer> =>
  Uint8Array.from({ length }, (_, i) => from + i);

/** Padded base64, as Node writes it: independent of the code under test. */
export const b64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString("base64");
export const fromB64 = (base64: string): Uint8Array<ArrayBuffer> =>
  new Uint8Array(Buffer.from(base64, "base64"));

/** An expected CryptoError of that code. */
export const refusal = (code: CryptoErrorCode): unknown =>
  expect.objectContaining({ name: "CryptoError", code });

/** A copy with one bit of one byte turned. */
export const flipped = (bytes: Uint8Array, at: number): Uint8Array<ArrayBuffer> => {
  const copy = new Uint8Array(bytes);
  copy[at] = (copy[at] ?? 0) ^ 1;
  return copy;
};

/** Fails where a secret shows in what a log would print of a thing. */
export const expectHidden = (thing: unknown, secret: Uint8Array): void => {
  const shown = `${inspect(thing, { depth: 8, showHidden: true })} ${JSON.stringify(thing)} ${String(thing)}`;
  const forms = [
    b64(secret).replace(/=+$/, ""),
    Buffer.from(secret).toString("hex"),
    [...secret].join(", "),
    [...secret].join(","),
  ];
  for (const form of forms) expect(shown).not.toContain(form);
};
