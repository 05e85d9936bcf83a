// PBKDF2 on the thread pool: the same bytes as in one piece, and what was given in is the caller's to wipe.
import { expect, it } from "vitest";
import { nodeProvider } from "#crypto/provider/node.ts";
import { nodeStretch } from "#crypto/provider/node-stretch.ts";
import { readPassphraseInfo, stretchSecretStorageKey } from "#crypto/secret-storage.ts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

it("gives what the provider gives in one piece", async () => {
  for (const iterations of [1, 2, 1000]) {
    const stretched = await nodeStretch(bytes("password"), bytes("salt"), iterations, 32);
    expect(stretched).toEqual(nodeProvider.pbkdf2Sha512(bytes("password"), bytes("salt"), iterations, 32));
  }
});

it("is not changed by a caller that wipes the password at once", async () => {
  const password = bytes("password");
  const stretching = nodeStretch(password, bytes("salt"), 1000, 32);
  password.fill(0);
  expect(await stretching).toEqual(nodeProvider.pbkdf2Sha512(bytes("password"), bytes("salt"), 1000, 32));
});

it("refuses what a server may ask for before anything is stretched", async () => {
  const info = { algorithm: "m.pbkdf2", salt: "x", iterations: 6_000_000, bits: 256 };
  await expect(stretchSecretStorageKey(nodeStretch, "x", info)).rejects.toMatchObject({
    code: "UNSUPPORTED",
  });
  expect(() => readPassphraseInfo({ ...info, iterations: 1, bits: 128 })).toThrow("another derivation");
  expect(() => readPassphraseInfo({ ...info, iterations: 0.5 })).toThrow("positive integer");
});
