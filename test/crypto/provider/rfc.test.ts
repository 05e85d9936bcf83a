// The vectors of RFC 7748 (X25519), RFC 8032 (Ed25519) and RFC 5869 (HKDF) against both providers.
import { describe, expect, it } from "vitest";
import { hex, PROVIDERS, toHex } from "./support.ts";

const range = (from: number, to: number): Uint8Array =>
  Uint8Array.from({ length: to - from + 1 }, (_, i) => from + i);

// RFC 7748 section 5.2: scalar, u coordinate, output.
const X25519 = [
  [
    "a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4",
    "e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c",
    "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552",
  ],
  [
    "4b66e9d4d1b4673c5ad22691957d6af5c11b6421e0ea01d42ca4169e7918ba0d",
    "e5210f12786811d3f4b7959d0538ae2c31dbe7106fc03c3efc4cd549c715a493",
    "95cbde9476e8907d7aade45cb4b873f88b595a68799fa152e6f8f7647aac7957",
  ],
] as const;

// RFC 7748 section 5.2: k = u = 9, iterated; after one and after 1,000 rounds.
const ITERATED = [
  [1, "422c8e7a6227d7bca1350b3e2bb7279f7897b87bb6854b783c60e80311ae3079"],
  [1000, "684cf59ba83309552800ef566f2f4d3c1c3887c49360e3875f2eb94d99532c51"],
] as const;

// RFC 8032 section 7.1, tests 1, 2, 3 and SHA(abc): seed, public key, message, signature.
const ED25519 = [
  [
    "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
    "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
    "",
    "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
  ],
  [
    "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
    "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
    "72",
    "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
  ],
  [
    "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
    "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
    "af82",
    "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
  ],
  [
    "833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42",
    "ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf",
    "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
    "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b58909351fc9ac90b3ecfdfbc7c66431e0303dca179c138ac17ad9bef1177331a704",
  ],
] as const;

const IKM = new Uint8Array(22).fill(0x0b);
// RFC 5869 appendix A.1 to A.3: secret, salt, info, length, output.
const HKDF = [
  [
    IKM,
    range(0, 12),
    range(0xf0, 0xf9),
    "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865",
  ],
  [
    range(0, 0x4f),
    range(0x60, 0xaf),
    range(0xb0, 0xff),
    "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c65e590e09da3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87",
  ],
  [
    IKM,
    new Uint8Array(0),
    new Uint8Array(0),
    "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8",
  ],
] as const;

describe.each(PROVIDERS)("the %s provider", (_name, provider) => {
  it.each(X25519)("multiplies as RFC 7748 section 5.2 says: %s", (scalar, u, output) => {
    expect(toHex(provider.importX25519(hex(scalar)).agree(hex(u)))).toBe(output);
  });

  it.each(ITERATED)("is right after %i rounds of RFC 7748's iteration", (rounds, output) => {
    let k: Uint8Array = hex(`09${"00".repeat(31)}`);
    let u = k;
    for (let i = 0; i < rounds; i += 1) [k, u] = [provider.importX25519(k, k).agree(u), k];
    expect(toHex(k)).toBe(output);
  });

  it.each(ED25519)("signs as RFC 8032 section 7.1 says: %s", (seed, publicKey, message, signature) => {
    const pair = provider.importEd25519(hex(seed));
    expect(toHex(pair.publicKey)).toBe(publicKey);
    expect(toHex(pair.sign(hex(message)))).toBe(signature);
    expect(provider.importEd25519Public(hex(publicKey)).verify(hex(message), hex(signature))).toBe(true);
  });

  it.each(HKDF)("derives as RFC 5869 appendix A says", (secret, salt, info, output) => {
    expect(toHex(provider.hkdfSha256(salt, secret, info, output.length / 2))).toBe(output);
  });
});
