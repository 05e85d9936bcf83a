// Accounts: identity keys, one-time keys, fallback keys, and the sessions that begin with them.
import { describe, expect, it } from "vitest";
import { decodeBase64, encodeBase64 } from "#crypto/base64.ts";
import { OlmAccount } from "#crypto/olm/account.ts";
import { ONE_TIME_KEYS_MAX } from "#crypto/olm/limits.ts";
import { decodePreKeyMessage, encodePreKeyMessage, type SessionKeys } from "#crypto/olm/message.ts";
import { verifySignature } from "#crypto/olm/signature.ts";
import { nodeProvider } from "#crypto/provider/node.ts";
import type { CryptoProvider } from "#crypto/provider.ts";
import { PROVIDERS } from "#test/crypto/provider/support.ts";
import { expectHidden, text, utf8 } from "#test/crypto/support/formats.ts";
import { codeOf, snapshot } from "./support.ts";

const account = (): OlmAccount => OlmAccount.create(nodeProvider);

/** Keys are costly; a test of thousands of them takes numbers instead. */
const cheap: CryptoProvider = (() => {
  let next = 0;
  return {
    ...nodeProvider,
    generateX25519: () => {
      next += 1;
      const publicKey = new Uint8Array(32);
      new DataView(publicKey.buffer).setUint32(0, next);
      return { publicKey, agree: () => publicKey, exportSecret: () => publicKey };
    },
  };
})();

describe.each(PROVIDERS)("an account on the %s provider", (_name, provider) => {
  it("signs with its Ed25519 key, bytes and text, the empty text too", () => {
    const alice = OlmAccount.create(provider);
    for (const message of ["", "text", "Grüße"]) {
      const signature = alice.sign(message);
      verifySignature(provider, alice.ed25519, message, signature);
      expect(alice.sign(utf8(message))).toBe(signature);
      verifySignature(provider, alice.ed25519, utf8(message), signature);
      expect(codeOf(() => verifySignature(provider, alice.ed25519, `${message}!`, signature))).toBe(
        "SIGNATURE",
      );
    }
  });
});

describe("an account", () => {
  it("has identity keys of 32 bytes, in unpadded base64", () => {
    const alice = account();
    expect([alice.curve25519, alice.ed25519].map((key) => decodeBase64(key).length)).toEqual([32, 32]);
    expect(alice.curve25519).toMatch(/^[A-Za-z0-9+/]{43}$/);
  });

  it("shows its public identity keys only", () => {
    const alice = account();
    alice.generateOneTimeKeys(1);
    alice.generateFallbackKey();
    const { curve25519, ed25519 } = alice;
    expect(JSON.parse(JSON.stringify(alice))).toEqual({ curve25519, ed25519 });
    const { signingKey, identityKey, oneTimeKeys } = alice.exportState();
    for (const key of [signingKey, identityKey, oneTimeKeys[0]!.pair])
      expectHidden(alice, key.exportSecret());
  });
});

describe("a signature", () => {
  it.each([
    ["base64", "BASE64", (key: string) => [key, "!"] as const],
    ["64 bytes", "SIGNATURE", (key: string) => [key, encodeBase64(new Uint8Array(63))] as const],
    ["a key of 32 bytes", "FORMAT", () => [encodeBase64(new Uint8Array(31)), "AAAA"] as const],
    [
      "a key that is not of small order",
      "SMALL_ORDER",
      () => [encodeBase64(new Uint8Array(32)), "AAAA"] as const,
    ],
  ])("is refused unless it has %s", (_what, code, make) => {
    const [key, signature] = make(account().ed25519);
    expect(codeOf(() => verifySignature(nodeProvider, key, "message", signature))).toBe(code);
  });
});

describe("one-time keys", () => {
  it("have IDs that count on as 64 bits in base64, fallback keys included", () => {
    const alice = account();
    const { created } = alice.generateOneTimeKeys(2);
    expect(created.map((key) => key.id)).toEqual(["AAAAAAAAAAE", "AAAAAAAAAAI"]);
    alice.generateFallbackKey();
    expect(alice.unpublishedFallbackKey()?.id).toBe("AAAAAAAAAAM");
    expect(alice.generateOneTimeKeys(1).created[0]?.id).toBe("AAAAAAAAAAQ");
  });

  it("are listed until they are marked as published, oldest first", () => {
    const alice = account();
    const first = alice.generateOneTimeKeys(2).created;
    const second = alice.generateOneTimeKeys(1).created;
    expect(alice.unpublishedOneTimeKeys()).toEqual([...first, ...second]);
    alice.markKeysAsPublished();
    expect(alice.unpublishedOneTimeKeys()).toEqual([]);
    const third = alice.generateOneTimeKeys(1).created;
    expect(alice.unpublishedOneTimeKeys()).toEqual(third);
    expect(alice.storedOneTimeKeyCount).toBe(4);
  });

  it("are 32 bytes, each another", () => {
    const keys = account()
      .generateOneTimeKeys(20)
      .created.map((key) => key.key);
    expect(keys.every((key) => decodeBase64(key).length === 32)).toBe(true);
    expect(new Set(keys).size).toBe(20);
  });

  it.each([-1, 1.5, Number.NaN, ONE_TIME_KEYS_MAX + 1])("cannot be made in a number of %d", (count) => {
    expect(() => account().generateOneTimeKeys(count)).toThrow(RangeError);
  });

  it("can be made none and all at once", () => {
    const alice = OlmAccount.create(cheap);
    expect(alice.generateOneTimeKeys(0)).toEqual({ created: [], dropped: [] });
    expect(alice.generateOneTimeKeys(ONE_TIME_KEYS_MAX).created).toHaveLength(ONE_TIME_KEYS_MAX);
  });

  it("beyond 5,000 push out the published ones, oldest first, and keep the rest", () => {
    const alice = OlmAccount.create(cheap);
    const old = alice.generateOneTimeKeys(3).created;
    alice.markKeysAsPublished();
    const waiting = alice.generateOneTimeKeys(ONE_TIME_KEYS_MAX - 4).created;
    expect(alice.generateOneTimeKeys(1).dropped).toEqual([]);
    expect(alice.generateOneTimeKeys(2).dropped).toEqual(old.slice(0, 2));
    expect(alice.generateOneTimeKeys(2).dropped).toEqual([old[2], waiting[0]]);
    expect(alice.storedOneTimeKeyCount).toBe(ONE_TIME_KEYS_MAX);
    expect(alice.unpublishedOneTimeKeys()[0]).toEqual(waiting[1]);
  });

  it("can be removed by their public key", () => {
    const alice = account();
    const [one, two] = alice.generateOneTimeKeys(2).created;
    expect(alice.removeOneTimeKey(one!.key)).toBe(true);
    expect(alice.removeOneTimeKey(one!.key)).toBe(false);
    expect(alice.unpublishedOneTimeKeys()).toEqual([two]);
    expect(codeOf(() => alice.removeOneTimeKey("AAAA"))).toBe("FORMAT");
  });
});

describe("fallback keys", () => {
  it("are the current one and the one before; the third from last is given up", () => {
    const alice = account();
    expect(alice.unpublishedFallbackKey()).toBeNull();
    expect(alice.generateFallbackKey()).toBeNull();
    const first = alice.unpublishedFallbackKey();
    expect(alice.generateFallbackKey()).toBeNull();
    expect(alice.unpublishedFallbackKey()).not.toEqual(first);
    expect(alice.generateFallbackKey()).toEqual(first);
  });

  it("are listed until they are marked as published", () => {
    const alice = account();
    alice.generateFallbackKey();
    alice.markKeysAsPublished();
    expect(alice.unpublishedFallbackKey()).toBeNull();
    expect(alice.exportState().fallbackKey).toMatchObject({ id: 1, published: true });
    alice.generateFallbackKey();
    expect(alice.unpublishedFallbackKey()).not.toBeNull();
  });

  it("forget the previous one when told, once", () => {
    const alice = account();
    expect(alice.forgetPreviousFallbackKey()).toBe(false);
    alice.generateFallbackKey();
    expect(alice.forgetPreviousFallbackKey()).toBe(false);
    alice.generateFallbackKey();
    expect(alice.forgetPreviousFallbackKey()).toBe(true);
    expect(alice.forgetPreviousFallbackKey()).toBe(false);
    expect(alice.unpublishedFallbackKey()).not.toBeNull();
  });

  it("serve many sessions, also as the previous one, and no more once forgotten", () => {
    const bob = account();
    bob.generateFallbackKey();
    const { key } = bob.unpublishedFallbackKey()!;
    const begin = (): string => {
      const alice = account();
      const { body } = alice.createOutboundSession(bob.curve25519, key).encrypt("hello");
      return text(bob.createInboundSession(alice.curve25519, body).plaintext);
    };
    expect([begin(), begin()]).toEqual(["hello", "hello"]);
    bob.generateFallbackKey();
    expect(begin()).toBe("hello");
    bob.forgetPreviousFallbackKey();
    expect(codeOf(begin)).toBe("KEY_ID");
  });
});

describe("a session that begins", () => {
  const begin = (): { alice: OlmAccount; bob: OlmAccount; key: string; body: string } => {
    const [alice, bob] = [account(), account()];
    const { key } = bob.generateOneTimeKeys(1).created[0]!;
    return { alice, bob, key, body: alice.createOutboundSession(bob.curve25519, key).encrypt("hello").body };
  };
  const rewrap = (body: string, change: Partial<SessionKeys>): string => {
    const decoded = decodePreKeyMessage(decodeBase64(body));
    const inner = Uint8Array.of(...decoded.message.authenticated, ...decoded.message.mac);
    return encodeBase64(encodePreKeyMessage({ ...decoded, ...change }, inner));
  };

  it("uses its one-time key up, once", () => {
    const { alice, bob, body } = begin();
    expect(text(bob.createInboundSession(alice.curve25519, body).plaintext)).toBe("hello");
    expect(bob.storedOneTimeKeyCount).toBe(0);
    expect(codeOf(() => bob.createInboundSession(alice.curve25519, body))).toBe("KEY_ID");
  });

  it("leaves the other one-time keys alone", () => {
    const { alice, bob, body } = begin();
    const others = bob.generateOneTimeKeys(2).created;
    bob.createInboundSession(alice.curve25519, body);
    expect(bob.unpublishedOneTimeKeys()).toEqual(others);
  });

  it("names the sender's identity key, or is refused", () => {
    const { bob, body } = begin();
    expect(codeOf(() => bob.createInboundSession(account().curve25519, body))).toBe("KEY_ID");
    expect(codeOf(() => bob.createInboundSession("AAAA", body))).toBe("FORMAT");
  });

  it.each(["identityKey", "baseKey", "oneTimeKey"] as const)(
    "is refused when its %s was replaced, and costs nothing",
    (name) => {
      const { alice, bob, body } = begin();
      const before = snapshot(bob);
      const other = nodeProvider.generateX25519().publicKey;
      const sender = name === "identityKey" ? encodeBase64(other) : alice.curve25519;
      const code = codeOf(() => bob.createInboundSession(sender, rewrap(body, { [name]: other })));
      expect(code).toBe(name === "oneTimeKey" ? "KEY_ID" : "MAC");
      expect(snapshot(bob)).toBe(before);
      bob.createInboundSession(alice.curve25519, body);
    },
  );

  it.each(["identityKey", "baseKey"] as const)("is refused with a %s of small order", (name) => {
    const { alice, bob, body } = begin();
    const zero = new Uint8Array(32);
    const sender = name === "identityKey" ? encodeBase64(zero) : alice.curve25519;
    expect(codeOf(() => bob.createInboundSession(sender, rewrap(body, { [name]: zero })))).toBe(
      "SMALL_ORDER",
    );
  });

  it.each([
    ["identity key", "one", "SMALL_ORDER"],
    ["one-time key", "two", "SMALL_ORDER"],
  ])("outbound is refused to an %s of small order", (_what, which, code) => {
    const { alice, bob, key } = begin();
    const zero = encodeBase64(new Uint8Array(32));
    const call = which === "one" ? ([zero, key] as const) : ([bob.curve25519, zero] as const);
    expect(codeOf(() => alice.createOutboundSession(...call))).toBe(code);
  });

  it("outbound is refused to keys that are none", () => {
    const { alice, bob, key } = begin();
    expect(codeOf(() => alice.createOutboundSession("?", key))).toBe("BASE64");
    expect(codeOf(() => alice.createOutboundSession(bob.curve25519, "AAAA"))).toBe("FORMAT");
  });

  it("keeps no view on the message that began it", () => {
    const { alice, bob, body } = begin();
    const { session } = bob.createInboundSession(alice.curve25519, body);
    const { keys, receiverChains, ratchet } = session.exportState();
    const kept = [keys.identityKey, keys.baseKey, receiverChains[0]!.ratchetKey, ratchet.rootKey];
    expect(kept.map((bytes) => bytes.buffer.byteLength)).toEqual([32, 32, 32, 32]);
  });
});
