// One named regression test for each class of published fault, in any implementation, that concerns accounts, sessions, ratchets and pickles.
// Whoever changes these layers learns here what has gone wrong elsewhere.
import { readdirSync, readFileSync } from "node:fs";
import { inspect } from "node:util";
import { describe, expect, it } from "vitest";
import { withKeys } from "#crypto/aes-sha2.ts";
import { decodeBase64, encodeBase64 } from "#crypto/base64.ts";
import { MegolmInboundSession } from "#crypto/megolm/inbound.ts";
import { advanceRatchet, newRatchet } from "#crypto/megolm/ratchet.ts";
import { OlmAccount } from "#crypto/olm/account.ts";
import { decodeMessage, decodePreKeyMessage, encodePreKeyMessage } from "#crypto/olm/message.ts";
import { verifySignature } from "#crypto/olm/signature.ts";
import { pickleAccount, unpickleAccount } from "#crypto/pickle/libolm.ts";
import { nodeProvider } from "#crypto/provider/node.ts";
import type { CryptoProvider } from "#crypto/provider.ts";
import { group } from "#test/crypto/megolm/support.ts";
import { KEY, LIBOLM, pickleOf, plaintextOf } from "#test/crypto/pickle/support.ts";
import { PROVIDERS } from "#test/crypto/provider/support.ts";
import { text } from "#test/crypto/support/formats.ts";
import { altered, codeOf, established, pair, read, snapshot } from "./support.ts";

const flipLast = (bytes: Uint8Array): Uint8Array =>
  bytes.map((byte, i) => (i === bytes.length - 1 ? byte ^ 1 : byte));
const account = (): OlmAccount => OlmAccount.create(nodeProvider);

/** A provider that remembers every array that its functions of these names returned. */
const watching = (
  names: readonly ("hkdfSha256" | "hmacSha256")[],
): { provider: CryptoProvider; made: Uint8Array[] } => {
  const made: Uint8Array[] = [];
  const remember = (bytes: Uint8Array): Uint8Array => {
    made.push(bytes);
    return bytes;
  };
  const provider = { ...nodeProvider };
  if (names.includes("hkdfSha256")) {
    provider.hkdfSha256 = (...args) => remember(nodeProvider.hkdfSha256(...args));
  }
  if (names.includes("hmacSha256")) {
    provider.hmacSha256 = (...args) => remember(nodeProvider.hmacSha256(...args));
  }
  return { provider, made };
};

describe("mautrix-go, 2026: state changed before the MAC was checked", () => {
  it("an Olm message with a wrong MAC, far ahead in its chain, moves nothing", () => {
    const { aliceSession, bobSession } = established();
    const messages = Array.from({ length: 100 }, (_, i) => aliceSession.encrypt(`${i}`));
    const before = snapshot(bobSession);
    expect(codeOf(() => bobSession.decrypt(altered(messages[99]!, flipLast)))).toBe("MAC");
    expect(snapshot(bobSession)).toBe(before);
    expect(read(bobSession, messages[0]!)).toBe("0");
  });

  it("a Megolm message with a wrong MAC, signed rightly, moves nothing", () => {
    const { outbound, inbound } = group();
    for (let i = 0; i < 50; i += 1) outbound.encrypt("x");
    const bytes = decodeBase64(outbound.encrypt("y"));
    const end = bytes.length - 64;
    bytes[end - 1]! ^= 1;
    bytes.set(outbound.exportState().signingKey.sign(bytes.subarray(0, end)), end);
    const before = snapshot(inbound);
    expect(codeOf(() => inbound.decrypt(encodeBase64(bytes)))).toBe("MAC");
    expect(snapshot(inbound)).toBe(before);
  });
});

describe("mautrix-go, 2026; element-ios 7480: the one-time key was deleted before the message decrypted", () => {
  it.each([
    ["a wrong MAC", flipLast, "MAC"],
    ["cut off", (bytes: Uint8Array) => bytes.subarray(0, -5), "FORMAT"],
    ["another version", (bytes: Uint8Array) => bytes.map((byte, i) => (i === 0 ? 4 : byte)), "VERSION"],
  ])("a pre-key message that is broken costs no key: %s", (_what, change, code) => {
    const [alice, bob] = [account(), account()];
    const { key } = bob.generateOneTimeKeys(1).created[0]!;
    const message = alice.createOutboundSession(bob.curve25519, key).encrypt("hello");
    const before = snapshot(bob);
    expect(codeOf(() => bob.createInboundSession(alice.curve25519, altered(message, change).body))).toBe(
      code,
    );
    expect(snapshot(bob)).toBe(before);
    expect(text(bob.createInboundSession(alice.curve25519, message.body).plaintext)).toBe("hello");
  });
});

describe("vodozemac, February 2026 (Soatok) and 0.10; mautrix-go, 2026: keys of small order were accepted", () => {
  // Order 1, 2, 4 and 8, and what is not canonical for one of them.
  const SMALL = [
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
    "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  ].map((text) => encodeBase64(Uint8Array.from(Buffer.from(text, "hex"))));

  it.each(SMALL)("in every Diffie-Hellman, whoever chooses the key: %s", (small) => {
    const [alice, bob] = [account(), account()];
    const key = decodeBase64(small);
    const oneTime = bob.generateOneTimeKeys(1).created[0]!.key;
    expect(codeOf(() => alice.createOutboundSession(small, oneTime))).toBe("SMALL_ORDER");
    expect(codeOf(() => alice.createOutboundSession(bob.curve25519, small))).toBe("SMALL_ORDER");
    const decoded = decodePreKeyMessage(
      decodeBase64(alice.createOutboundSession(bob.curve25519, oneTime).encrypt("x").body),
    );
    const inner = Uint8Array.of(...decoded.message.authenticated, ...decoded.message.mac);
    const withBase = encodeBase64(encodePreKeyMessage({ ...decoded, baseKey: key }, inner));
    expect(codeOf(() => bob.createInboundSession(alice.curve25519, withBase))).toBe("SMALL_ORDER");
    const withIdentity = encodeBase64(encodePreKeyMessage({ ...decoded, identityKey: key }, inner));
    expect(codeOf(() => bob.createInboundSession(small, withIdentity))).toBe("SMALL_ORDER");
    const both = established();
    both.bobSession.encrypt("so that it is active");
    const withRatchet = altered(both.aliceSession.encrypt("x"), (bytes) =>
      Uint8Array.of(...bytes.subarray(0, 3), ...key, ...bytes.subarray(35)),
    );
    expect(codeOf(() => both.bobSession.decrypt(withRatchet))).toBe("SMALL_ORDER");
  });

  it("a first message with a ratchet key of small order decrypts, as its MAC demands, and is refused when it is to be answered", () => {
    const { bobSession } = pair();
    const state = bobSession.exportState();
    if (state.ratchet.kind !== "inactive") throw new Error("expected an inactive ratchet");
    const OlmSession = bobSession.constructor as new (
      p: CryptoProvider,
      s: typeof state,
    ) => typeof bobSession;
    const ratchet = { ...state.ratchet, theirRatchetKey: new Uint8Array(32) };
    const session = new OlmSession(nodeProvider, { ...state, ratchet });
    expect(codeOf(() => session.encrypt("answer"))).toBe("SMALL_ORDER");
  });

  it.each(PROVIDERS)("in every signature, on the %s provider", (_name, provider) => {
    // Under the identity point every message "verifies" with R = B, S = 1, unless the key is looked at.
    const identity = encodeBase64(Uint8Array.of(1, ...new Uint8Array(31)));
    const signature = encodeBase64(
      Uint8Array.of(...Buffer.from(`58${"66".repeat(31)}`, "hex"), 1, ...new Uint8Array(31)),
    );
    expect(codeOf(() => verifySignature(provider, identity, "anything", signature))).toBe("SMALL_ORDER");
  });
});

describe("vodozemac, 2026: a session of version 2 could be made to use version 1", () => {
  it("only version 3 on the wire is read, with a MAC of 8 bytes: nothing is negotiated", () => {
    const { aliceSession, bobSession } = established();
    const message = aliceSession.encrypt("x");
    const longMac = altered(message, (bytes) =>
      Uint8Array.of(4, ...bytes.subarray(1), ...new Uint8Array(24)),
    );
    expect(codeOf(() => bobSession.decrypt(longMac))).toBe("VERSION");
    expect(
      codeOf(() => bobSession.decrypt(altered(message, (bytes) => bytes.map((b, i) => (i === 0 ? 4 : b))))),
    ).toBe("VERSION");
  });
});

describe("mautrix-go, 2026: the MAC was checked for a minimal length, not its exact one", () => {
  it.each([0, 1, 7, 9, 16, 32])("a MAC of %i bytes is refused", (length) => {
    const { aliceSession, bobSession } = established();
    const wrong = altered(aliceSession.encrypt("x"), (bytes) => {
      const { authenticated, mac } = decodeMessage(bytes);
      return Uint8Array.of(...authenticated, ...new Uint8Array(length).map((_, i) => mac[i] ?? 0));
    });
    expect(codeOf(() => bobSession.decrypt(wrong))).toMatch(/FORMAT|MAC/);
  });

  it("keys verify a MAC of 8 bytes, no part of it and nothing longer", () => {
    withKeys(nodeProvider, new Uint8Array(32), new Uint8Array(0), (keys) => {
      const mac = keys.mac(Uint8Array.of(1));
      keys.verify(Uint8Array.of(1), mac, "test");
      for (const wrong of [mac.subarray(0, 7), new Uint8Array(0), Uint8Array.of(...mac, 0)]) {
        expect(codeOf(() => keys.verify(Uint8Array.of(1), wrong, "test"))).toBe("MAC");
      }
    });
  });
});

describe("mautrix-go, 2026: the identity key in a pre-key message was optional", () => {
  it("a pre-key message without it, or with another one than the sender's, is refused", () => {
    const [alice, bob] = [account(), account()];
    const { key } = bob.generateOneTimeKeys(1).created[0]!;
    const message = alice.createOutboundSession(bob.curve25519, key).encrypt("x");
    const without = altered(message, (bytes) =>
      Uint8Array.of(...bytes.subarray(0, 69), ...bytes.subarray(103)),
    );
    expect(codeOf(() => bob.createInboundSession(alice.curve25519, without.body))).toBe("FORMAT");
    expect(codeOf(() => bob.createInboundSession(account().curve25519, message.body))).toBe("KEY_ID");
    bob.createInboundSession(alice.curve25519, message.body);
  });
});

describe("vodozemac 382: after an import the next one-time key took the ID of the newest", () => {
  it("a key made after an import replaces none, and messages under the newest imported one are read", () => {
    const bob = unpickleAccount(nodeProvider, LIBOLM.bob.pickle, KEY);
    const before = bob.unpublishedOneTimeKeys();
    const ids = new Set(bob.exportState().oneTimeKeys.map((key) => key.id));
    const created = bob.generateOneTimeKeys(3).created;
    expect(created.some(({ id }) => before.some((key) => key.id === id))).toBe(false);
    expect(bob.exportState().oneTimeKeys.filter((key) => ids.has(key.id))).toHaveLength(4);
    const alice = account();
    const { body } = alice.createOutboundSession(bob.curve25519, before.at(-1)!.key).encrypt("hello");
    expect(text(bob.createInboundSession(alice.curve25519, body).plaintext)).toBe("hello");
  });

  it("IDs go on through a pickle and back", () => {
    const bob = account();
    bob.generateOneTimeKeys(2);
    const back = unpickleAccount(nodeProvider, pickleAccount(nodeProvider, bob, KEY), KEY);
    expect(back.generateOneTimeKeys(1).created).toMatchObject([
      { id: bob.generateOneTimeKeys(1).created[0]!.id },
    ]);
  });
});

describe("mautrix-go, 2026: lists in a pickle had no bound", () => {
  it("a pickle that claims 2^32 - 1 one-time keys is refused at once", () => {
    const { bytes } = plaintextOf(LIBOLM.bob.pickle);
    bytes.set([0xff, 0xff, 0xff, 0xff], 160);
    const started = performance.now();
    expect(codeOf(() => unpickleAccount(nodeProvider, pickleOf(4, bytes), KEY))).toBe("FORMAT");
    expect(performance.now() - started).toBeLessThan(1000);
  });
});

describe("libolm CVE-2024-45193: Ed25519 signatures could be altered and still verify", () => {
  it.each(PROVIDERS)("S + L is refused on the %s provider", (_name, provider) => {
    const alice = OlmAccount.create(provider);
    const signature = decodeBase64(alice.sign("x"));
    const order = 2n ** 252n + 27742317777372353535851937790883648493n;
    const s = signature.subarray(32).reduceRight((value, byte) => (value << 8n) | BigInt(byte), 0n) + order;
    for (let i = 0; i < 32; i += 1) signature[32 + i] = Number((s >> BigInt(8 * i)) & 0xffn);
    expect(codeOf(() => verifySignature(provider, alice.ed25519, "x", encodeBase64(signature)))).toBe(
      "SIGNATURE",
    );
  });
});

describe("libolm CVE-2024-45191: AES by tables leaks its key through the cache", () => {
  it("the node provider has no AES in JavaScript in it", () => {
    const folder = new URL("../../../crypto/provider/", import.meta.url);
    const files = readdirSync(folder).filter((name) => name !== "noble.ts");
    expect(files).toContain("node-symmetric.ts");
    for (const name of files)
      expect(readFileSync(new URL(name, folder), "utf8")).not.toContain("@noble/ciphers");
  });
});

describe("libolm CVE-2021-34813 and CVE-2021-44538: lengths overflowed a buffer", () => {
  it("every length in a message may be anything: it is refused or stays inside", () => {
    const { aliceSession, bobSession } = established();
    const message = aliceSession.encrypt("x");
    for (let at = 0; at < 40; at += 1) {
      for (const value of [0, 0x7f, 0x80, 0xff]) {
        const wrong = altered(message, (bytes) => bytes.map((byte, i) => (i === at ? value : byte)));
        if (wrong.body !== message.body) expect(codeOf(() => bobSession.decrypt(wrong))).toMatch(/^[A-Z_]+$/);
      }
    }
  });
});

describe("vodozemac CVE-2024-34063: secrets were not wiped any more", () => {
  it("the keys of a message are zeros after use, also when the message was refused", () => {
    const { provider, made } = watching(["hkdfSha256"]);
    const { aliceSession, bobSession } = pair(provider);
    expect(codeOf(() => bobSession.decrypt(altered(aliceSession.encrypt("x"), flipLast)))).toBe("MAC");
    const keys = made.filter((bytes) => bytes.length === 80);
    expect(keys.length).toBeGreaterThan(2);
    for (const bytes of keys) expect(bytes.every((byte) => byte === 0)).toBe(true);
  });

  it("what a root key is derived through is zeros after use", () => {
    const { provider, made } = watching(["hkdfSha256"]);
    pair(provider);
    const roots = made.filter((bytes) => bytes.length === 64);
    expect(roots.length).toBe(2);
    for (const bytes of roots) expect(bytes.every((byte) => byte === 0)).toBe(true);
  });

  it("shared secrets are zeros after use, each alone and joined", () => {
    const seen: Uint8Array[] = [];
    const provider: CryptoProvider = {
      ...nodeProvider,
      generateX25519: () => {
        const made = nodeProvider.generateX25519();
        const agree = (theirs: Uint8Array): Uint8Array => {
          const shared = made.agree(theirs);
          seen.push(shared);
          return shared;
        };
        return { publicKey: made.publicKey, exportSecret: () => made.exportSecret(), agree };
      },
      hkdfSha256: (salt, secret, info, length) => {
        if (length === 64) seen.push(secret);
        return nodeProvider.hkdfSha256(salt, secret, info, length);
      },
    };
    const { aliceSession, bobSession } = established(provider);
    bobSession.decrypt(aliceSession.encrypt("x"));
    expect(seen.map((bytes) => bytes.length)).toEqual([
      32,
      32,
      32,
      96,
      32,
      32,
      32,
      96,
      ...new Array<number>(8).fill(32),
    ]);
    for (const bytes of seen) expect(bytes.every((byte) => byte === 0)).toBe(true);
  });

  it("the parts that a ratchet goes through are zeros after use", () => {
    const { provider, made } = watching(["hmacSha256"]);
    advanceRatchet(provider, newRatchet(provider), 70_000);
    expect(made.length).toBeGreaterThan(10);
    for (const bytes of made) expect(bytes.every((byte) => byte === 0)).toBe(true);
  });

  it("the chain keys that a message skips are zeros after use", () => {
    const { provider, made } = watching(["hmacSha256"]);
    const { aliceSession, bobSession } = pair(provider);
    const messages = Array.from({ length: 101 }, () => aliceSession.encrypt("x"));
    made.length = 0;
    bobSession.decrypt(messages[100]!);
    // 40 skipped keys and the next chain key are kept, and two MACs are public.
    expect(made.filter((bytes) => bytes.some((byte) => byte !== 0)).length).toBeLessThanOrEqual(42);
  });

  it("a message key is zeros after use", () => {
    const { provider, made } = watching(["hmacSha256"]);
    const { aliceSession, bobSession } = pair(provider);
    made.length = 0;
    bobSession.decrypt(aliceSession.encrypt("x"));
    const state = JSON.stringify([snapshot(aliceSession), snapshot(bobSession)]);
    // The next chain keys stay, in the states; MACs are public. Nothing else does.
    const left = made.filter((bytes) => bytes.some((byte) => byte !== 0));
    const secret = left.filter((bytes) => !state.includes(Buffer.from(bytes).toString("hex")));
    expect(secret.length).toBeLessThanOrEqual(2);
  });
});

describe("matrix-sdk-crypto 0.7.1: a private key was in the log", () => {
  it("no error message quotes a key, a ciphertext or a MAC", () => {
    const { aliceSession, bobSession } = established();
    const message = aliceSession.encrypt("x");
    const wrong = altered(message, flipLast);
    try {
      bobSession.decrypt(wrong);
      throw new Error("expected a refusal");
    } catch (error) {
      const shown = inspect(error, { depth: 9 });
      const { ratchetKey, mac, ciphertext } = decodeMessage(decodeBase64(wrong.body));
      for (const bytes of [ratchetKey, mac, ciphertext]) {
        expect(shown).not.toContain(encodeBase64(bytes).slice(0, 10));
        expect(shown).not.toContain(Buffer.from(bytes).toString("hex").slice(0, 12));
      }
      expect(shown).toContain("the MAC does not match");
    }
  });
});

describe("matrix-rust-sdk 2098: a message under a fallback key made its session anew", () => {
  it("the session that it belongs to says so", () => {
    const [alice, bob] = [account(), account()];
    bob.generateFallbackKey();
    const session = alice.createOutboundSession(bob.curve25519, bob.unpublishedFallbackKey()!.key);
    const { session: first } = bob.createInboundSession(alice.curve25519, session.encrypt("1").body);
    const second = session.encrypt("2");
    expect(first.matches(second.body)).toBe(true);
    expect(read(first, second)).toBe("2");
  });
});

describe("matrix-rust-sdk 397: a Megolm message was shown again under another event", () => {
  it("the index is told with every plaintext, so that the machine can refuse the second", () => {
    const { outbound, inbound } = group();
    outbound.encrypt("x");
    const body = outbound.encrypt("y");
    expect([inbound.decrypt(body).messageIndex, inbound.decrypt(body).messageIndex]).toEqual([1, 1]);
  });
});

describe("Megolm sessions under a name that is not theirs", () => {
  it("are named by the key inside, whatever came beside it, and must be signed by it", () => {
    const [one, two] = [group(), group()];
    const key = decodeBase64(one.outbound.sessionKey());
    const other = decodeBase64(two.outbound.sessionKey());
    const swapped = Uint8Array.of(...key.subarray(0, 133), ...other.subarray(133, 165), ...key.subarray(165));
    expect(codeOf(() => MegolmInboundSession.fromSessionKey(nodeProvider, encodeBase64(swapped)))).toBe(
      "SIGNATURE",
    );
    expect(one.inbound.sessionId).toBe(encodeBase64(key.subarray(133, 165)));
  });
});
