// libolm pickles that are old, broken or made to hurt: what is read, what is refused, and that nothing is allocated for a length alone.
import { describe, expect, it } from "vitest";
import { encodeBase64 } from "#crypto/base64.ts";
import { MegolmOutboundSession } from "#crypto/megolm/outbound.ts";
import { OlmAccount } from "#crypto/olm/account.ts";
import {
  pickleAccount,
  pickleOutboundGroup,
  pickleSession,
  unpickleAccount,
  unpickleInboundGroup,
  unpickleOutboundGroup,
  unpicklePkDecryption,
  unpickleSession,
} from "#crypto/pickle/libolm.ts";
import { LIBOLM_PICKLE_CHARS_MAX, SESSION_LIST_READ_MAX } from "#crypto/pickle/limits.ts";
import { nodeProvider } from "#crypto/provider/node.ts";
import { codeOf, established } from "#test/crypto/olm/support.ts";
import { toHex } from "#test/crypto/provider/support.ts";
import { utf8 } from "#test/crypto/support/formats.ts";
import { KEY, LIBOLM, pickleOf, plaintextOf } from "./support.ts";

const KINDS = [
  ["account", LIBOLM.bob.pickle, unpickleAccount],
  ["session", LIBOLM.session.bobActive, unpickleSession],
  ["outbound group session", LIBOLM.group.outbound, unpickleOutboundGroup],
  ["inbound group session", LIBOLM.group.inbound, unpickleInboundGroup],
  ["PkDecryption", LIBOLM.pk.pickle, unpicklePkDecryption],
] as const;

const join = (...parts: readonly (Uint8Array | readonly number[])[]): Uint8Array =>
  Uint8Array.from(parts.flatMap((part) => [...part]));
const put = (bytes: Uint8Array, at: number, ...values: number[]): Uint8Array => {
  const copy = new Uint8Array(bytes);
  copy.set(values, at);
  return copy;
};

describe.each(KINDS)("a pickled %s", (_name, pickle, unpickle) => {
  const { version, bytes } = plaintextOf(pickle);
  const read = (text: string, key = KEY): unknown => unpickle(nodeProvider, text, key);

  it("is refused with another key", () => {
    expect(codeOf(() => read(pickle, utf8("another key")))).toBe("MAC");
    expect(codeOf(() => read(pickle, new Uint8Array(0)))).toBe("MAC");
  });

  it("is refused with one character changed", () => {
    for (const at of [0, 20, pickle.length - 3]) {
      const other = pickle[at] === "A" ? "B" : "A";
      expect(codeOf(() => read(pickle.slice(0, at) + other + pickle.slice(at + 1)))).toBe("MAC");
    }
  });

  it.each([0, 5, 0x80000001])("is refused with version %i", (other) => {
    expect(codeOf(() => read(pickleOf(other, bytes)))).toBe("VERSION");
  });

  it("is refused with bytes left over", () => {
    expect(codeOf(() => read(pickleOf(version, join(bytes, [0]))))).toBe("FORMAT");
  });

  it("is refused wherever it is cut off", () => {
    for (let length = 0; length < bytes.length; length += 5) {
      expect(codeOf(() => read(pickleOf(version, bytes.subarray(0, length))))).toBe("FORMAT");
    }
  });
});

describe("a pickle", () => {
  const read = (text: string): unknown => unpickleAccount(nodeProvider, text, KEY);

  it.each([
    ["not base64", "%", "BASE64"],
    ["empty", "", "FORMAT"],
    ["shorter than a MAC", encodeBase64(new Uint8Array(7)), "FORMAT"],
    ["a MAC of another thing", encodeBase64(new Uint8Array(8)), "MAC"],
    ["too long", "A".repeat(LIBOLM_PICKLE_CHARS_MAX + 1), "FORMAT"],
  ])("is refused: %s", (_what, text, code) => {
    expect(codeOf(() => read(text))).toBe(code);
  });

  it("is refused without a version", () => {
    const { hkdfSha256, aesCbcEncrypt, hmacSha256 } = nodeProvider;
    const keys = hkdfSha256(new Uint8Array(0), KEY, utf8("Pickle"), 80);
    const ciphertext = aesCbcEncrypt(keys.subarray(0, 32), keys.subarray(64), Uint8Array.of(0, 0, 4));
    const mac = hmacSha256(keys.subarray(32, 64), ciphertext).subarray(0, 8);
    expect(codeOf(() => read(encodeBase64(join(ciphertext, mac))))).toBe("FORMAT");
  });

  it("is refused without any ciphertext, though its MAC is right", () => {
    const keys = nodeProvider.hkdfSha256(new Uint8Array(0), KEY, utf8("Pickle"), 80);
    const mac = nodeProvider.hmacSha256(keys.subarray(32, 64), new Uint8Array(0)).subarray(0, 8);
    expect(codeOf(() => read(encodeBase64(mac)))).toBe("PADDING");
  });
});

describe("an account's pickle", () => {
  const { bytes } = plaintextOf(LIBOLM.bob.pickle);
  const read = (changed: Uint8Array, version = 4): OlmAccount =>
    unpickleAccount(nodeProvider, pickleOf(version, changed), KEY);
  // Ed25519 pair 96, X25519 pair 64, count 4, then keys of 69 bytes.
  const COUNT = 160;
  const KEYS = 164;
  const FALLBACK = KEYS + 4 * 69;

  it("is refused when public and secret halves do not belong together", () => {
    for (const at of [0, 96, KEYS + 5])
      expect(codeOf(() => read(put(bytes, at, bytes[at]! ^ 1)))).toBe("FORMAT");
  });

  it("is refused when a list claims more than it may hold, before anything is read of it", () => {
    expect(codeOf(() => read(put(bytes, COUNT, 0xff, 0xff, 0xff, 0xff)))).toBe("FORMAT");
    expect(codeOf(() => read(put(bytes, COUNT, 0, 0, 0x13, 0x89)))).toBe("FORMAT");
    expect(codeOf(() => read(put(bytes, FALLBACK, 3)))).toBe("FORMAT");
  });

  it("is refused with a boolean that is neither 0 nor 1", () => {
    expect(codeOf(() => read(put(bytes, KEYS + 4, 2)))).toBe("FORMAT");
  });

  it("of version 2 has no fallback keys", () => {
    const old = join(bytes.subarray(0, FALLBACK), bytes.subarray(-4));
    const { fallbackKey, previousFallbackKey, oneTimeKeys } = read(old, 2).exportState();
    expect([fallbackKey, previousFallbackKey, oneTimeKeys.length]).toEqual([null, null, 4]);
  });

  it.each([
    [[1, 1], 2],
    [[1, 0], 1],
    [[0, 1], 0],
    [[0, 0], 0],
  ])("of version 3 has the fallback keys that are marked as published: %j", (marks, count) => {
    const [current, previous] = [0, 1].map((i) =>
      bytes.slice(FALLBACK + 1 + i * 69, FALLBACK + 1 + (i + 1) * 69),
    );
    const old = join(
      bytes.subarray(0, FALLBACK),
      put(current!, 4, marks[0]!),
      marks[1] === 1 ? put(previous!, 4, 1) : new Uint8Array(69),
      bytes.subarray(-4),
    );
    const state = read(old, 3).exportState();
    const there = [state.fallbackKey, state.previousFallbackKey].filter((key) => key !== null);
    expect(there).toHaveLength(count);
    expect(there.every((key) => key.published)).toBe(true);
    if (count > 0) expect(toHex(there[0]!.pair.publicKey)).toBe(toHex(current!.subarray(5, 37)));
  });

  it("gives its one-time keys oldest first, in whatever order they were written", () => {
    const swapped = join(
      bytes.subarray(0, KEYS),
      bytes.subarray(KEYS + 69, KEYS + 138),
      bytes.subarray(KEYS, KEYS + 69),
      bytes.subarray(KEYS + 138),
    );
    const ids = (account: OlmAccount): number[] => account.exportState().oneTimeKeys.map((key) => key.id);
    expect(ids(read(swapped))).toEqual(ids(read(bytes)));
    expect(ids(read(bytes))).toEqual([1, 2, 5, 6]);
  });

  it("counts on after the highest ID in it, where its counter lags behind", () => {
    const lagging = put(bytes, bytes.length - 4, 0, 0, 0, 1);
    expect(read(lagging).exportState().nextKeyId).toBe(7);
    const ahead = put(bytes, bytes.length - 4, 0, 0, 1, 0);
    expect(read(ahead).exportState().nextKeyId).toBe(257);
  });

  it("cannot be written once its IDs pass 32 bits", () => {
    const state = read(bytes).exportState();
    const account = (nextKeyId: number): OlmAccount => new OlmAccount(nodeProvider, { ...state, nextKeyId });
    expect(codeOf(() => pickleAccount(nodeProvider, account(2 ** 32 + 1), KEY))).toBe("UNSUPPORTED");
    expect(pickleAccount(nodeProvider, account(2 ** 32), KEY)).toMatch(/^[A-Za-z0-9+/]+$/);
  });
});

describe("a session's pickle", () => {
  const { bytes } = plaintextOf(LIBOLM.session.bobActive);
  const read = (changed: Uint8Array): unknown => unpickleSession(nodeProvider, pickleOf(1, changed), KEY);
  // received 1, three keys 96, root key 32, then the sender chain: count 4, pair 64, chain 36; then the receiver chains
  const SENDERS = 129;
  const RECEIVERS = SENDERS + 4 + 100;
  const SKIPPED = RECEIVERS + 4 + 68;

  it.each([
    ["sender chains", SENDERS],
    ["receiver chains", RECEIVERS],
    ["skipped keys", SKIPPED],
  ])("is refused when it claims too many %s", (_what, at) => {
    expect(codeOf(() => read(put(bytes, at, 0xff, 0xff, 0xff, 0xff)))).toBe("FORMAT");
    const over = SESSION_LIST_READ_MAX + 1;
    expect(() => read(put(bytes, at, 0, 0, over >> 8, over & 0xff))).toThrow(
      /expected a list of at most \d+, found 10001/,
    );
  });

  it("is refused with two sender chains, and keeps the newest five of more receiver chains, as old goolm trims none", () => {
    const [sender, receiver] = [
      bytes.subarray(SENDERS + 4, RECEIVERS),
      bytes.subarray(RECEIVERS + 4, SKIPPED),
    ];
    const [head, tail] = [bytes.subarray(0, SENDERS), bytes.subarray(SKIPPED)];
    const [senders, receivers] = [join([0, 0, 0, 1], sender), join([0, 0, 0, 1], receiver)];
    expect(codeOf(() => read(join(head, [0, 0, 0, 2], sender, sender, receivers, tail)))).toBe("FORMAT");
    const many = (count: number): Uint8Array =>
      join([0, 0, 0, count], ...new Array<Uint8Array>(count).fill(receiver));
    const older = put(receiver, 0, receiver[0]! ^ 1);
    const eight = join([0, 0, 0, 8], ...new Array<Uint8Array>(5).fill(receiver), older, older, older);
    const kept = (raw: Uint8Array): readonly Uint8Array[] =>
      unpickleSession(nodeProvider, pickleOf(1, raw), KEY)
        .exportState()
        .receiverChains.map(({ ratchetKey }) => ratchetKey);
    const newest = new Array<Uint8Array>(5).fill(receiver.slice(0, 32));
    expect(kept(join(head, senders, many(5), tail))).toEqual(newest);
    expect(kept(join(head, senders, eight, tail))).toEqual(newest);
  });

  it("is refused when the halves of its ratchet key do not belong together", () => {
    expect(codeOf(() => read(put(bytes, SENDERS + 4, bytes[SENDERS + 4]! ^ 1)))).toBe("FORMAT");
  });

  it("is refused without any chain", () => {
    const none = join(bytes.subarray(0, SENDERS), new Uint8Array(12));
    expect(codeOf(() => read(none))).toBe("FORMAT");
  });

  it("is refused with a boolean that is neither 0 nor 1", () => {
    expect(codeOf(() => read(put(bytes, 0, 7)))).toBe("FORMAT");
  });

  it("leaves out skipped keys of chains that are gone", () => {
    const stray = join(bytes.subarray(0, SKIPPED), [0, 0, 0, 1], new Uint8Array(68));
    const session = unpickleSession(nodeProvider, pickleOf(1, stray), KEY);
    expect(session.exportState().receiverChains.map((chain) => chain.skipped.length)).toEqual([0]);
  });

  it("keeps the newest 40 of more skipped keys in a chain, in whatever order they stand", () => {
    const ratchetKey = bytes.subarray(RECEIVERS + 4, RECEIVERS + 36);
    const key = (index: number): Uint8Array => join(ratchetKey, new Uint8Array(32), [0, 0, 0, index]);
    const indices = Array.from({ length: 60 }, (_, i) => i);
    for (const order of [indices, indices.toReversed()]) {
      const full = join(bytes.subarray(0, SKIPPED), [0, 0, 0, 60], ...order.map(key));
      const [chain] = unpickleSession(nodeProvider, pickleOf(1, full), KEY).exportState().receiverChains;
      expect(chain?.skipped.map(({ index }) => index)).toEqual(indices.slice(20));
    }
  });

  it("takes the newest 40 skipped keys along when it has more", () => {
    const { aliceSession, bobSession } = established();
    for (let chain = 0; chain < 2; chain += 1) {
      const messages = Array.from({ length: 31 }, () => aliceSession.encrypt("x"));
      bobSession.decrypt(messages.at(-1)!);
      aliceSession.decrypt(bobSession.encrypt("answer"));
    }
    const counts = (session: typeof bobSession): number[] =>
      session.exportState().receiverChains.map((chain) => chain.skipped.length);
    expect(counts(bobSession)).toEqual([30, 30, 0]);
    const back = unpickleSession(nodeProvider, pickleSession(nodeProvider, bobSession, KEY), KEY);
    expect(counts(back)).toEqual([30, 10, 0]);
    expect(back.exportState().receiverChains[1]!.skipped.map((key) => key.index)).toEqual(
      Array.from({ length: 10 }, (_, i) => 20 + i),
    );
  });
});

describe("a Megolm session's pickle", () => {
  const { bytes } = plaintextOf(LIBOLM.group.inbound);

  it("of an inbound session of version 1 is read as verified", () => {
    const old = pickleOf(1, bytes.subarray(0, -1));
    const session = unpickleInboundGroup(nodeProvider, old, KEY);
    expect([session.sessionId, session.signingKeyVerified]).toEqual([LIBOLM.group.id, true]);
    expect(codeOf(() => unpickleInboundGroup(nodeProvider, pickleOf(1, bytes), KEY))).toBe("FORMAT");
  });

  it("keeps an unverified session unverified", () => {
    const session = unpickleInboundGroup(nodeProvider, pickleOf(2, put(bytes, bytes.length - 1, 0)), KEY);
    expect(session.signingKeyVerified).toBe(false);
  });

  it("is refused when the latest ratchet is before the earliest", () => {
    expect(
      codeOf(() => unpickleInboundGroup(nodeProvider, pickleOf(2, put(bytes, 128, 0, 0, 0, 9)), KEY)),
    ).toBe("FORMAT");
  });

  it.each([
    ["of small order", new Uint8Array(32), "SMALL_ORDER"],
    ["off the curve", Uint8Array.of(2, ...new Uint8Array(31)), "FORMAT"],
  ])("is refused with a key %s", (_what, key, code) => {
    const changed = put(bytes, 264, ...key);
    expect(codeOf(() => unpickleInboundGroup(nodeProvider, pickleOf(2, changed), KEY))).toBe(code);
  });

  it("cannot be written once its outbound session has no index left", () => {
    const { signingKey } = MegolmOutboundSession.create(nodeProvider).exportState();
    const spent = new MegolmOutboundSession(nodeProvider, { signingKey, ratchet: null });
    expect(codeOf(() => pickleOutboundGroup(nodeProvider, spent, KEY))).toBe("UNSUPPORTED");
  });

  it("is refused when the halves of its signing key do not belong together", () => {
    const outbound = plaintextOf(LIBOLM.group.outbound).bytes;
    expect(codeOf(() => unpickleOutboundGroup(nodeProvider, pickleOf(1, put(outbound, 132, 1)), KEY))).toBe(
      "FORMAT",
    );
  });
});
