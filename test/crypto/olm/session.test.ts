// Sessions: what goes over, in what order, within which limits, and that nothing changes before it is authenticated.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decodeBase64, encodeBase64 } from "#crypto/base64.ts";
import { encryptWith, receiveRatchetKey } from "#crypto/olm/double-ratchet.ts";
import {
  CHAIN_INDEX_MAX,
  MESSAGE_GAP_MAX,
  RECEIVER_CHAINS_MAX,
  SKIPPED_KEYS_PER_CHAIN_MAX,
} from "#crypto/olm/limits.ts";
import { decodeMessage, decodePreKeyMessage, encodePreKeyMessage } from "#crypto/olm/message.ts";
import { type OlmMessage, OlmSession } from "#crypto/olm/session.ts";
import { nobleProvider } from "#crypto/provider/noble.ts";
import { nodeProvider } from "#crypto/provider/node.ts";
import { PROVIDERS, toHex } from "#test/crypto/provider/support.ts";
import { altered, codeOf, established, pair, read, snapshot } from "./support.ts";

describe.each(PROVIDERS)("a session on the %s provider", (_name, provider) => {
  it("carries messages both ways, back and forth", () => {
    const { aliceSession, bobSession } = pair(provider);
    for (let round = 0; round < 3; round += 1) {
      expect(read(aliceSession, bobSession.encrypt(`to Alice ${round}`))).toBe(`to Alice ${round}`);
      expect(read(bobSession, aliceSession.encrypt(`to Bob ${round}`))).toBe(`to Bob ${round}`);
    }
  });

  it("carries the empty message, and any bytes", () => {
    const { aliceSession, bobSession } = established(provider);
    for (const length of [0, 1, 15, 16, 17, 3000]) {
      const plaintext = new Uint8Array(length).map((_, i) => i * 7);
      expect(bobSession.decrypt(aliceSession.encrypt(plaintext))).toEqual(plaintext);
    }
  });
});

describe("a session", () => {
  it("has one ID on both sides: the hash of the three keys that made it", () => {
    const { aliceSession, bobSession, first } = pair();
    const { identityKey, baseKey, oneTimeKey } = decodePreKeyMessage(decodeBase64(first.body));
    const joined = Uint8Array.of(...identityKey, ...baseKey, ...oneTimeKey);
    expect(aliceSession.sessionId).toBe(encodeBase64(nodeProvider.sha256(joined)));
    expect(bobSession.sessionId).toBe(aliceSession.sessionId);
  });

  it("sends pre-key messages until something came back", () => {
    const { aliceSession, bobSession } = pair();
    expect(aliceSession.hasReceived).toBe(false);
    expect(aliceSession.encrypt("second").type).toBe(0);
    expect(bobSession.hasReceived).toBe(true);
    const answer = bobSession.encrypt("answer");
    expect(answer.type).toBe(1);
    aliceSession.decrypt(answer);
    expect(aliceSession.hasReceived).toBe(true);
    expect(aliceSession.encrypt("third").type).toBe(1);
  });

  it("reads further pre-key messages of the same session", () => {
    const { aliceSession, bobSession } = pair();
    const [second, third] = [aliceSession.encrypt("second"), aliceSession.encrypt("third")];
    expect(read(bobSession, third)).toBe("third");
    expect(read(bobSession, second)).toBe("second");
  });

  it("takes text as UTF-8", () => {
    const { aliceSession, bobSession } = established();
    expect(read(bobSession, aliceSession.encrypt("Grüße, 世界"))).toBe("Grüße, 世界");
  });

  it("never encrypts twice to the same", () => {
    const { aliceSession } = established();
    const bodies = Array.from({ length: 10 }, () => aliceSession.encrypt("same").body);
    expect(new Set(bodies).size).toBe(10);
  });

  it("changes its ratchet key with each answer, and only then", () => {
    const { aliceSession, bobSession } = established();
    const keyOf = (message: OlmMessage): string =>
      toHex(decodeMessage(decodeBase64(message.body)).ratchetKey);
    const [one, two] = [aliceSession.encrypt("1"), aliceSession.encrypt("2")];
    expect(keyOf(one)).toBe(keyOf(two));
    bobSession.decrypt(two);
    aliceSession.decrypt(bobSession.encrypt("answer"));
    expect(keyOf(aliceSession.encrypt("3"))).not.toBe(keyOf(one));
  });

  it("numbers the messages of a chain from 0", () => {
    const { aliceSession } = established();
    const indexes = Array.from(
      { length: 3 },
      () => decodeMessage(decodeBase64(aliceSession.encrypt("").body)).index,
    );
    expect(indexes).toEqual([0, 1, 2]);
  });

  it("shows its ID only", () => {
    const { aliceSession } = established();
    expect(JSON.stringify(aliceSession)).toBe(JSON.stringify({ sessionId: aliceSession.sessionId }));
  });
});

describe("matching a pre-key message", () => {
  const wrapped = (
    change: Partial<Record<"identityKey" | "baseKey" | "oneTimeKey", Uint8Array>>,
  ): boolean => {
    const { aliceSession, bobSession } = pair();
    const bytes = decodeBase64(aliceSession.encrypt("x").body);
    const decoded = decodePreKeyMessage(bytes);
    const { authenticated, mac } = decoded.message;
    const inner = Uint8Array.of(...authenticated, ...mac);
    return bobSession.matches(encodeBase64(encodePreKeyMessage({ ...decoded, ...change }, inner)));
  };
  const other = new Uint8Array(32).fill(5);

  it("holds when all three keys are the session's", () => {
    expect(wrapped({})).toBe(true);
  });

  it.each(["identityKey", "baseKey", "oneTimeKey"] as const)("does not hold with another %s", (name) => {
    expect(wrapped({ [name]: other })).toBe(false);
  });

  it("refuses what is no pre-key message", () => {
    const { aliceSession, bobSession } = established();
    expect(codeOf(() => bobSession.matches(aliceSession.encrypt("x").body))).toBe("FORMAT");
    expect(codeOf(() => bobSession.matches("not base64!"))).toBe("BASE64");
  });
});

describe("messages out of order", () => {
  it("are read in any order", () => {
    const { aliceSession, bobSession } = established();
    const messages = Array.from({ length: 12 }, (_, i) => aliceSession.encrypt(`${i}`));
    for (const i of [5, 0, 11, 3, 4, 10, 1, 2, 9, 8, 7, 6])
      expect(read(bobSession, messages[i]!)).toBe(`${i}`);
  });

  it("are read once", () => {
    const { aliceSession, bobSession } = established();
    const [one, two] = [aliceSession.encrypt("1"), aliceSession.encrypt("2")];
    bobSession.decrypt(two);
    expect(codeOf(() => bobSession.decrypt(two))).toBe("MISSING_KEY");
    bobSession.decrypt(one);
    expect(codeOf(() => bobSession.decrypt(one))).toBe("MISSING_KEY");
  });

  it("may come late by as many as the chain keeps keys for, the newest ones", () => {
    const { aliceSession, bobSession } = established();
    const messages = Array.from({ length: SKIPPED_KEYS_PER_CHAIN_MAX + 2 }, () => aliceSession.encrypt("x"));
    bobSession.decrypt(messages.at(-1)!);
    expect(codeOf(() => bobSession.decrypt(messages[0]!))).toBe("MISSING_KEY");
    for (const message of messages.slice(1, -1)) bobSession.decrypt(message);
  });

  it("push older kept keys out when more are skipped", () => {
    const { aliceSession, bobSession } = established();
    const messages = Array.from({ length: SKIPPED_KEYS_PER_CHAIN_MAX + 4 }, () => aliceSession.encrypt("x"));
    bobSession.decrypt(messages[3]!);
    bobSession.decrypt(messages.at(-1)!);
    for (const gone of [0, 1]) expect(codeOf(() => bobSession.decrypt(messages[gone]!))).toBe("MISSING_KEY");
    for (const kept of [2, 4]) bobSession.decrypt(messages[kept]!);
  });

  it("have kept keys of their own in each chain", () => {
    const { aliceSession, bobSession } = established();
    const chains = Array.from({ length: RECEIVER_CHAINS_MAX }, () => {
      const messages = Array.from({ length: SKIPPED_KEYS_PER_CHAIN_MAX + 1 }, () =>
        aliceSession.encrypt("x"),
      );
      bobSession.decrypt(messages.at(-1)!);
      aliceSession.decrypt(bobSession.encrypt("answer"));
      return messages;
    });
    for (const chain of chains) for (const message of chain.slice(0, -1)) bobSession.decrypt(message);
  });

  it("of a chain older than the newest five are lost", () => {
    const { aliceSession, bobSession } = established();
    const late = Array.from({ length: RECEIVER_CHAINS_MAX + 1 }, () => {
      const [missed, seen] = [aliceSession.encrypt("missed"), aliceSession.encrypt("seen")];
      bobSession.decrypt(seen);
      aliceSession.decrypt(bobSession.encrypt("answer"));
      return missed;
    });
    bobSession.encrypt("so that it is active");
    for (const message of late.slice(1)) expect(read(bobSession, message)).toBe("missed");
    expect(codeOf(() => bobSession.decrypt(late[0]!))).toBe("MAC");
  });

  it("may skip 2,000, and not 2,001", () => {
    const { aliceSession, bobSession } = established();
    const messages = Array.from({ length: MESSAGE_GAP_MAX + 2 }, () => aliceSession.encrypt(""));
    const before = snapshot(bobSession);
    expect(codeOf(() => bobSession.decrypt(messages[MESSAGE_GAP_MAX + 1]!))).toBe("GAP");
    expect(snapshot(bobSession)).toBe(before);
    bobSession.decrypt(messages[MESSAGE_GAP_MAX]!);
    bobSession.decrypt(messages[MESSAGE_GAP_MAX + 1]!);
  });

  it("may skip 2,000 more from where the chain stands", () => {
    const { aliceSession, bobSession } = established();
    bobSession.decrypt(aliceSession.encrypt("0"));
    const messages = Array.from({ length: MESSAGE_GAP_MAX + 2 }, () => aliceSession.encrypt(""));
    expect(codeOf(() => bobSession.decrypt(messages[MESSAGE_GAP_MAX + 1]!))).toBe("GAP");
    bobSession.decrypt(messages[MESSAGE_GAP_MAX]!);
  });

  it("come out in every order, with losses and repetitions, each once", () => {
    const schedule = fc.array(fc.nat({ max: 9 }), { maxLength: 25 });
    fc.assert(
      fc.property(schedule, (deliveries) => {
        const { aliceSession, bobSession } = established();
        const messages = Array.from({ length: 10 }, (_, i) => aliceSession.encrypt(`${i}`));
        const seen = new Set<number>();
        for (const i of deliveries) {
          const got = seen.has(i)
            ? codeOf(() => bobSession.decrypt(messages[i]!))
            : read(bobSession, messages[i]!);
          expect(got).toBe(seen.has(i) ? "MISSING_KEY" : `${i}`);
          seen.add(i);
        }
      }),
      { numRuns: 25 },
    );
  });
});

describe("a message that is not authentic", () => {
  it("is refused with any one byte changed, and changes nothing", () => {
    const { aliceSession, bobSession } = established();
    const message = aliceSession.encrypt("x");
    const before = snapshot(bobSession);
    const length = decodeBase64(message.body).length;
    for (let at = 0; at < length; at += 1) {
      const forged = altered(message, (bytes) => bytes.map((byte, i) => (i === at ? byte ^ 0x04 : byte)));
      expect(codeOf(() => bobSession.decrypt(forged))).toMatch(/MAC|FORMAT|VERSION|GAP/);
      expect(snapshot(bobSession)).toBe(before);
    }
    expect(read(bobSession, message)).toBe("x");
  });

  it("changes nothing where it names a chain that is new, known, or skipped", () => {
    const { aliceSession, bobSession } = established();
    const [skipped, next, ahead] = ["1", "2", "3"].map((text) => aliceSession.encrypt(text));
    const flipMac = (message: OlmMessage): OlmMessage =>
      altered(message, (bytes) => bytes.map((byte, i) => (i === bytes.length - 1 ? byte ^ 1 : byte)));
    const refuse = (message: OlmMessage): void => {
      const before = snapshot(bobSession);
      expect(codeOf(() => bobSession.decrypt(flipMac(message)))).toBe("MAC");
      expect(snapshot(bobSession)).toBe(before);
    };
    refuse(next!);
    bobSession.decrypt(next!);
    refuse(skipped!);
    refuse(ahead!);
    expect([read(bobSession, skipped!), read(bobSession, ahead!)]).toEqual(["1", "3"]);
  });

  it("is a protocol error under a new ratchet key that answers nothing of ours", () => {
    const { aliceSession, bobSession } = established();
    bobSession.decrypt(aliceSession.encrypt("x"));
    const strange = established().aliceSession.encrypt("stray");
    const before = snapshot(bobSession);
    expect(codeOf(() => bobSession.decrypt(strange))).toBe("PROTOCOL");
    expect(snapshot(bobSession)).toBe(before);
  });

  it.each([
    ["of zeros", 0],
    ["of order 4", 1],
  ])("is refused under a ratchet key of small order: %s", (_what, byte) => {
    const { aliceSession, bobSession } = established();
    bobSession.encrypt("so that it is active");
    const forged = altered(aliceSession.encrypt("x"), (bytes) =>
      bytes.map((old, i) => (i === 3 ? byte : i > 3 && i < 35 ? 0 : old)),
    );
    const before = snapshot(bobSession);
    expect(codeOf(() => bobSession.decrypt(forged))).toBe("SMALL_ORDER");
    expect(snapshot(bobSession)).toBe(before);
  });

  it("is refused as the other type", () => {
    const { aliceSession, bobSession } = pair();
    const message = aliceSession.encrypt("x");
    expect(codeOf(() => bobSession.decrypt({ type: 1, body: message.body }))).toBe("FORMAT");
    const normal = established();
    const { body } = normal.aliceSession.encrypt("x");
    expect(codeOf(() => normal.bobSession.decrypt({ type: 0, body }))).toBe("FORMAT");
  });

  it("is refused as the sender's own", () => {
    const { aliceSession } = established();
    expect(codeOf(() => aliceSession.decrypt(aliceSession.encrypt("x")))).toMatch(/MAC|PROTOCOL/);
  });
});

describe("the end of a chain", () => {
  const exhausted = (index: number): OlmSession => {
    const state = established().aliceSession.exportState();
    if (state.ratchet.kind === "inactive") {
      const { ratchet } = encryptWith(nodeProvider, state.ratchet, new Uint8Array(0));
      return new OlmSession(nodeProvider, {
        ...state,
        ratchet: { ...ratchet, chain: { ...ratchet.chain, index } },
      });
    }
    throw new Error("expected an inactive session");
  };

  it("is index 2^32 - 1, after which the session refuses to encrypt and says so", () => {
    const session = exhausted(CHAIN_INDEX_MAX);
    expect(decodeMessage(decodeBase64(session.encrypt("last").body)).index).toBe(CHAIN_INDEX_MAX);
    const before = snapshot(session);
    expect(() => session.encrypt("one more")).toThrow(/begin a new session/);
    expect(codeOf(() => session.encrypt("one more"))).toBe("UNSUPPORTED");
    expect(snapshot(session)).toBe(before);
  });
});

describe("the transitions of the double ratchet", () => {
  it("inactive to active makes a new key and a chain; active to inactive needs a new key of theirs", () => {
    const { aliceSession } = established();
    const { ratchet } = aliceSession.exportState();
    expect(ratchet.kind).toBe("inactive");
    const { ratchet: active } = encryptWith(nodeProvider, ratchet, new Uint8Array(1));
    expect(active.kind).toBe("active");
    expect(active.chain.index).toBe(1);
    const theirs = nobleProvider.generateX25519().publicKey;
    const next = receiveRatchetKey(nodeProvider, active, theirs);
    expect(next.ratchet).toMatchObject({ kind: "inactive", theirRatchetKey: theirs });
    expect(next.chain).toMatchObject({ ratchetKey: theirs, skipped: [], chain: { index: 0 } });
    expect(codeOf(() => receiveRatchetKey(nodeProvider, next.ratchet, theirs))).toBe("PROTOCOL");
  });

  it("changes the root key each time", () => {
    const { aliceSession, bobSession } = established();
    const roots = new Set<string>();
    for (let i = 0; i < 4; i += 1) {
      bobSession.decrypt(aliceSession.encrypt("x"));
      aliceSession.decrypt(bobSession.encrypt("y"));
      roots.add(toHex(aliceSession.exportState().ratchet.rootKey));
    }
    expect(roots.size).toBe(4);
  });
});
