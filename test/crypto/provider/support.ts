// Both providers, and hex: what every test of them needs.

import { nobleProvider } from "#crypto/provider/noble.ts";
import { nodeProvider } from "#crypto/provider/node.ts";
import type { CryptoProvider } from "#crypto/provider.ts";

export const PROVIDERS: readonly (readonly [string, CryptoProvider])[] = [
  ["node", nodeProvider],
  ["noble", nobleProvider],
];

export const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, "hex"));

export const toHex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

/** What a call gives, as a comparable value: the bytes or the value, or the error's class and code. */
export const outcome = (call: () => unknown): string => {
  try {
    const result = call();
    return result instanceof Uint8Array ? toHex(result) : JSON.stringify(result);
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    return `${error.name} ${"code" in error ? String(error.code) : ""}`.trim();
  }
};

/** The same call on both providers, which must agree; gives what they agree on. */
export const agreed = (call: (provider: CryptoProvider) => unknown): string => {
  const [node, noble] = [outcome(() => call(nodeProvider)), outcome(() => call(nobleProvider))];
  if (node !== noble) throw new Error(`node says ${node}, noble says ${noble}`);
  return node;
};
