// libolm's own pickles, and tools to build broken ones.
import { readFileSync } from "node:fs";
import { decryptPickle, encryptPickle } from "#crypto/pickle/libolm-cipher.ts";
import { nodeProvider } from "#crypto/provider/node.ts";
import { utf8 } from "#test/crypto/support/formats.ts";

interface LibolmData {
  readonly key: string;
  readonly alice: { readonly curve25519: string; readonly ed25519: string; readonly pickle: string };
  readonly bob: {
    readonly curve25519: string;
    readonly ed25519: string;
    readonly pickle: string;
    readonly oneTimeKeys: readonly string[];
    readonly fallbackKey: string;
    readonly signed: string;
    readonly signature: string;
    readonly preKeyMessage: string;
  };
  readonly session: Readonly<
    Record<"id" | "aliceUnanswered" | "answer" | "bobInactive" | "bobActive" | "skipped" | "next", string>
  >;
  readonly group: {
    readonly id: string;
    readonly outbound: string;
    readonly sessionKey: string;
    readonly inbound: string;
    readonly messages: readonly string[];
    readonly exportedAt2: string;
  };
  readonly pk: { readonly pickle: string; readonly publicKey: string; readonly secret: string };
}

export const LIBOLM = JSON.parse(
  readFileSync(new URL("../data/libolm/pickles.json", import.meta.url), "utf8"),
) as LibolmData;

export const KEY: Uint8Array = utf8(LIBOLM.key);

/** A pickle's plaintext behind the version. */
export const plaintextOf = (pickle: string): { version: number; bytes: Uint8Array } =>
  decryptPickle(nodeProvider, KEY, pickle, [0, 1, 2, 3, 4, 5], (reader, version) => {
    const bytes: number[] = [];
    try {
      for (;;) bytes.push(reader.uint8());
    } catch {
      return { version, bytes: Uint8Array.from(bytes) };
    }
  });

/** A pickle of any plaintext. */
export const pickleOf = (version: number, bytes: Uint8Array): string =>
  encryptPickle(nodeProvider, KEY, version, (writer) => writer.bytes(bytes));
