import { randomBytes } from "node:crypto";
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { xchacha20poly1305 } from "@noble/ciphers/chacha.js";
import { hkdf } from "@noble/hashes/hkdf.js";
import { sha256 } from "@noble/hashes/sha2.js";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createKeyFile, readKeyFile } from "#agent/store/key-file.ts";
import { createKeyCheck, createVault, fitsKeyCheck } from "#agent/store/vault.ts";
import { KEY } from "./runtime.ts";
import { temporaryFolder } from "./support.ts";

const random = (length: number): Uint8Array => randomBytes(length);
const vault = createVault(KEY, random);
const text = (value: string): Uint8Array => new TextEncoder().encode(value);

describe("vault", () => {
  it("opens what it sealed, for every context and content", () => {
    fc.assert(
      fc.property(fc.string(), fc.uint8Array({ maxLength: 300 }), (context, plaintext) => {
        expect(Uint8Array.from(vault.open(context, vault.seal(context, plaintext)))).toEqual(plaintext);
      }),
    );
  });

  it("is XChaCha20-Poly1305, as an independent implementation finds", () => {
    const sealed = vault.seal("session/access_token", text("syt_secret"));
    const key = hkdf(sha256, KEY, undefined, text("petrel/store/vault/1"), 32);
    const cipher = xchacha20poly1305(key, sealed.subarray(1, 25), text("session/access_token"));
    expect(cipher.decrypt(sealed.subarray(25))).toEqual(text("syt_secret"));
  });

  it("does not open in another place", () => {
    const sealed = vault.seal("session/access_token", text("syt_secret"));
    expect(() => vault.open("session/refresh_token", sealed)).toThrow(
      expect.objectContaining({ code: "SEAL" }),
    );
  });

  it("does not open with another key", () => {
    const other = createVault(new Uint8Array(32), random);
    expect(() => other.open("a", vault.seal("a", text("x")))).toThrow(
      expect.objectContaining({ code: "SEAL" }),
    );
  });

  it("does not open when any single bit was changed or any byte is missing", () => {
    const sealed = vault.seal("a", text("four"));
    for (let bit = 0; bit < sealed.length * 8; bit += 1) {
      const changed = Uint8Array.from(sealed);
      changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      expect(() => vault.open("a", changed)).toThrow(expect.objectContaining({ code: "SEAL" }));
    }
    for (let length = 0; length < sealed.length; length += 1)
      expect(() => vault.open("a", sealed.subarray(0, length))).toThrow(
        expect.objectContaining({ code: "SEAL" }),
      );
  });

  it("seals the same value differently each time", () => {
    expect(vault.seal("a", text("x"))).not.toEqual(vault.seal("a", text("x")));
  });

  it("says nothing of what is sealed, nor of the key, in its errors", () => {
    const sealed = vault.seal("session/access_token", text("syt_secret"));
    const outcome = (): unknown => vault.open("elsewhere", sealed);
    expect(outcome).not.toThrow(/syt_secret/);
    expect(outcome).not.toThrow(new RegExp(Buffer.from(KEY).toString("hex")));
  });

  it("knows its own key by the check value", () => {
    expect(fitsKeyCheck(vault, createKeyCheck(vault))).toBe(true);
    expect(fitsKeyCheck(createVault(new Uint8Array(32), random), createKeyCheck(vault))).toBe(false);
  });
});

describe("key file", () => {
  const fresh = (): string => join(temporaryFolder(), "keys", "store.key");

  it("is made with 32 bytes for its owner only, and read back", () => {
    const path = fresh();
    const key = createKeyFile(path, random);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(Buffer.from(key).equals(readFileSync(path))).toBe(true);
    expect(readKeyFile(path)).toEqual(Uint8Array.from(key));
  });

  it("is never replaced", () => {
    const path = fresh();
    const key = createKeyFile(path, random);
    expect(() => createKeyFile(path, random)).toThrow(expect.objectContaining({ code: "KEY" }));
    expect(readKeyFile(path)).toEqual(Uint8Array.from(key));
  });

  it("is refused when it is missing, of a wrong length, or open to others", () => {
    const path = fresh();
    expect(() => readKeyFile(path)).toThrow(expect.objectContaining({ code: "KEY" }));
    const folder = temporaryFolder();
    writeFileSync(join(folder, "short"), "x", { mode: 0o600 });
    expect(() => readKeyFile(join(folder, "short"))).toThrow(/expected 32 raw bytes, found 1/);
    writeFileSync(join(folder, "open"), new Uint8Array(32), { mode: 0o644 });
    expect(() => readKeyFile(join(folder, "open"))).toThrow(/mode 644/);
  });
});
