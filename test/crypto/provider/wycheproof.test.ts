// Wycheproof's vectors against both providers (test/crypto/data/wycheproof/README.md says where they are from).
import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import type { CryptoProvider } from "#crypto/provider.ts";
import { hex, outcome, PROVIDERS, toHex } from "./support.ts";

interface Vector {
  readonly tcId: number;
  readonly comment: string;
  readonly flags: readonly string[];
  readonly result: "valid" | "acceptable" | "invalid";
  readonly [field: string]: unknown;
}
interface Group {
  readonly tests: readonly Vector[];
  readonly [field: string]: unknown;
}
type Check = (provider: CryptoProvider, vector: Vector, group: Group) => void;

interface Suite {
  readonly numberOfTests: number;
  readonly testGroups: readonly Group[];
}

const load = (name: string): Suite => {
  const file = new URL(`../data/wycheproof/${name}.json.gz`, import.meta.url);
  return JSON.parse(gunzipSync(readFileSync(file)).toString()) as Suite;
};

const field = (from: Vector | Group, name: string): Uint8Array => hex(String(from[name]));

const x25519: Check = (provider, vector) => {
  const call = (): Uint8Array =>
    provider.importX25519(field(vector, "private")).agree(field(vector, "public"));
  const zero = /^0*$/.test(String(vector["shared"]));
  expect(outcome(call)).toBe(zero ? "CryptoError SMALL_ORDER" : String(vector["shared"]));
};

const ed25519: Check = (provider, vector, group) => {
  const jwk = group["publicKey"] as { pk: string };
  const verified = provider
    .importEd25519Public(hex(jwk.pk))
    .verify(field(vector, "msg"), field(vector, "sig"));
  expect(verified).toBe(vector.result === "valid");
};

const aesCbc: Check = (provider, vector, group) => {
  if (group["keySize"] !== 256) return;
  const [key, iv, msg, ct] = ["key", "iv", "msg", "ct"].map((name) => field(vector, name));
  if (vector.result === "valid") expect(toHex(provider.aesCbcEncrypt(key!, iv!, msg!))).toBe(vector["ct"]);
  const expected = vector.result === "valid" ? vector["msg"] : "CryptoError PADDING";
  expect(outcome(() => provider.aesCbcDecrypt(key!, iv!, ct!))).toBe(expected);
};

const hmac: Check = (provider, vector, group) => {
  const bytes = Number(group["tagSize"]) / 8;
  const mac = provider.hmacSha256(field(vector, "key"), field(vector, "msg")).subarray(0, bytes);
  expect(provider.equal(mac, field(vector, "tag"))).toBe(vector.result === "valid");
};

const hkdf =
  (name: "hkdfSha256" | "hkdfSha512"): Check =>
  (provider, vector) => {
    const [ikm, salt, info] = ["ikm", "salt", "info"].map((part) => field(vector, part));
    const call = (): Uint8Array => provider[name](salt!, ikm!, info!, Number(vector["size"]));
    expect(outcome(call)).toBe(vector.result === "valid" ? vector["okm"] : "RangeError");
  };

const chacha: Check = (provider, vector, group) => {
  const [key, iv, aad, msg, ct, tag] = ["key", "iv", "aad", "msg", "ct", "tag"].map((name) =>
    field(vector, name),
  );
  const sealed = hex(`${toHex(ct!)}${toHex(tag!)}`);
  if (group["ivSize"] !== 96) {
    expect(outcome(() => provider.open(key!, iv!, sealed, aad!))).toBe("RangeError");
    return;
  }
  if (vector.result === "valid") expect(toHex(provider.seal(key!, iv!, msg!, aad!))).toBe(toHex(sealed));
  const expected = vector.result === "valid" ? vector["msg"] : "CryptoError MAC";
  expect(outcome(() => provider.open(key!, iv!, sealed, aad!))).toBe(expected);
};

const SUITES: readonly (readonly [string, Check])[] = [
  ["x25519", x25519],
  ["ed25519", ed25519],
  ["aes_cbc_pkcs5", aesCbc],
  ["hmac_sha256", hmac],
  ["hkdf_sha256", hkdf("hkdfSha256")],
  ["hkdf_sha512", hkdf("hkdfSha512")],
  ["chacha20_poly1305", chacha],
];

describe.each(PROVIDERS)("Wycheproof against the %s provider", (_name, provider) => {
  it.each(SUITES)("%s: every vector comes out as it says", (name, check) => {
    const { numberOfTests, testGroups } = load(name);
    let run = 0;
    for (const group of testGroups) {
      for (const vector of group.tests) {
        run += 1;
        try {
          check(provider, vector, group);
        } catch (cause) {
          throw new Error(`vector ${vector.tcId} (${vector.comment}; ${vector.flags.join(", ")})`, { cause });
        }
      }
    }
    expect(run).toBe(numberOfTests);
  });
});
