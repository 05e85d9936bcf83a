// Our own pickles: everything comes back, nothing opens that should not, and the format is what own.ts says
// (a second implementation in this file, on node:crypto alone, seals what ours opens).
import { createCipheriv, hkdfSync } from "node:crypto";
import { describe, expect, it } from "vitest";
import { MegolmOutboundSession } from "#crypto/megolm/outbound.ts";
import { OlmAccount } from "#crypto/olm/account.ts";
import { pickleAccount, unpickleAccount } from "#crypto/pickle/libolm.ts";
import {
  openAccount,
  openInboundGroup,
  openOutboundGroup,
  openSession,
  sealAccount,
  sealInboundGroup,
  sealOutboundGroup,
  sealSession,
} from "#crypto/pickle/own.ts";
import { nobleProvider } from "#crypto/provider/noble.ts";
import { nodeProvider } from "#crypto/provider/node.ts";
import type { CryptoProvider } from "#crypto/provider.ts";
import { group, outboundAt } from "#test/crypto/megolm/support.ts";
import { codeOf, established, pair, snapshot } from "#test/crypto/olm/support.ts";
import { PROVIDERS } from "#test/crypto/provider/support.ts";
import { utf8 } from "#test/crypto/support/formats.ts";
import { LIBOLM, KEY as PICKLE_KEY } from "./support.ts";

const KEY = new Uint8Array(32).map((_, i) => i);
const CONTEXT = "sessions/42";

const richAccount = (): OlmAccount => {
  const account = OlmAccount.create(nodeProvider);
  account.generateOneTimeKeys(2);
  account.markKeysAsPublished();
  account.generateFallbackKey();
  account.generateFallbackKey();
  account.generateOneTimeKeys(1);
  return account;
};

const skippingSession = (): ReturnType<typeof pair>["bobSession"] => {
  const { aliceSession, bobSession } = established();
  const messages = Array.from({ length: 6 }, () => aliceSession.encrypt("x"));
  bobSession.decrypt(messages[5]!);
  return bobSession;
};

const activeSession = (): ReturnType<typeof pair>["bobSession"] => {
  const session = skippingSession();
  session.encrypt("so that it is active");
  return session;
};

type Sealer = (provider: CryptoProvider, key?: Uint8Array, context?: string) => Uint8Array;
type Opener = (
  provider: CryptoProvider,
  sealed: Uint8Array,
  key?: Uint8Array,
  context?: string,
) => { exportState(): unknown };
type Row = readonly [string, () => { readonly before: string; readonly seal: Sealer; readonly open: Opener }];

const row = <Thing extends { exportState(): unknown }>(
  name: string,
  make: () => Thing,
  seal: (provider: CryptoProvider, thing: Thing, key: Uint8Array, context: string) => Uint8Array,
  open: (provider: CryptoProvider, sealed: Uint8Array, key: Uint8Array, context: string) => Thing,
): Row => [
  name,
  () => {
    const thing = make();
    return {
      before: snapshot(thing),
      seal: (provider, key = KEY, context = CONTEXT) => seal(provider, thing, key, context),
      open: (provider, sealed, key = KEY, context = CONTEXT) => open(provider, sealed, key, context),
    };
  },
];

const ROWS: readonly Row[] = [
  row("account with keys of every kind", richAccount, sealAccount, openAccount),
  row("new account", () => OlmAccount.create(nodeProvider), sealAccount, openAccount),
  row(
    "account that came from libolm",
    () => unpickleAccount(nodeProvider, LIBOLM.bob.pickle, PICKLE_KEY),
    sealAccount,
    openAccount,
  ),
  row("session that has only sent", () => pair().aliceSession, sealSession, openSession),
  row("session with skipped keys, inactive", skippingSession, sealSession, openSession),
  row("session with skipped keys, active", activeSession, sealSession, openSession),
  row("outbound group session", () => outboundAt(70_000), sealOutboundGroup, openOutboundGroup),
  row(
    "outbound group session with no index left",
    () => {
      const outbound = outboundAt(2 ** 32 - 1);
      outbound.encrypt("last");
      return outbound;
    },
    sealOutboundGroup,
    openOutboundGroup,
  ),
  row(
    "inbound group session",
    () => {
      const { outbound, inbound } = group();
      outbound.encrypt("x");
      inbound.decrypt(outbound.encrypt("y"));
      return inbound;
    },
    sealInboundGroup,
    openInboundGroup,
  ),
];

describe.each(ROWS)("a sealed %s", (_name, make) => {
  it.each(PROVIDERS)("comes back whole, by either provider, sealed by %s", (_provider, provider) => {
    const { before, seal, open } = make();
    const sealed = seal(provider);
    for (const [, other] of PROVIDERS) expect(snapshot(open(other, sealed))).toBe(before);
  });

  it("is different each time", () => {
    const { seal } = make();
    expect(seal(nodeProvider)).not.toEqual(seal(nodeProvider));
  });

  it("does not open with another key or context", () => {
    const { seal, open } = make();
    const sealed = seal(nodeProvider);
    expect(codeOf(() => open(nodeProvider, sealed, new Uint8Array(32)))).toBe("MAC");
    expect(codeOf(() => open(nodeProvider, sealed, KEY, "sessions/43"))).toBe("MAC");
  });

  it("does not open with any byte changed, or cut off anywhere", () => {
    const { seal, open } = make();
    const sealed = seal(nodeProvider);
    for (let at = 0; at < sealed.length; at += 3) {
      const wrong = sealed.map((byte, i) => (i === at ? byte ^ 0x80 : byte));
      expect(codeOf(() => open(nodeProvider, wrong))).toBe(
        at === 0 ? "VERSION" : at === 1 ? "FORMAT" : "MAC",
      );
      expect(codeOf(() => open(nodeProvider, sealed.subarray(0, at)))).toBe(at < 26 ? "FORMAT" : "MAC");
    }
  });

  it("takes a key of 32 bytes only", () => {
    const { seal, open } = make();
    expect(() => seal(nodeProvider, new Uint8Array(16))).toThrow(RangeError);
    expect(() => open(nodeProvider, seal(nodeProvider), new Uint8Array(33))).toThrow(RangeError);
  });
});

describe("a sealed pickle", () => {
  it("of one kind does not open as another", () => {
    const sealed = sealAccount(nodeProvider, richAccount(), KEY, CONTEXT);
    expect(codeOf(() => openSession(nodeProvider, sealed, KEY, CONTEXT))).toBe("FORMAT");
    const relabelled = sealed.map((byte, i) => (i === 1 ? 2 : byte));
    expect(codeOf(() => openSession(nodeProvider, relabelled, KEY, CONTEXT))).toBe("MAC");
  });

  it("takes its randomness from the provider: 24 bytes", () => {
    const asked: number[] = [];
    const provider = {
      ...nodeProvider,
      random: (length: number) => {
        asked.push(length);
        return new Uint8Array(length).fill(7);
      },
    };
    const sealed = sealSession(provider, pair().aliceSession, KEY, CONTEXT);
    expect(asked).toEqual([24]);
    expect([...sealed.subarray(0, 27)]).toEqual([1, 2, ...new Array<number>(24).fill(7), sealed[26]]);
  });

  it("keeps an account working: it signs, and begins sessions, as before", () => {
    const account = richAccount();
    const back = openAccount(nobleProvider, sealAccount(nodeProvider, account, KEY, CONTEXT), KEY, CONTEXT);
    expect(back.sign("x")).toBe(account.sign("x"));
    expect(pickleAccount(nobleProvider, back, PICKLE_KEY)).toBe(
      pickleAccount(nodeProvider, account, PICKLE_KEY),
    );
  });
});

describe("the body of a sealed pickle", () => {
  /** Seals any body, as own.ts describes the format. */
  const sealBody = (kind: number, body: Uint8Array): Uint8Array => {
    const salt = new Uint8Array(24).fill(3);
    const derived = new Uint8Array(hkdfSync("sha256", KEY, salt, utf8("petrel pickle"), 44));
    const cipher = createCipheriv("chacha20-poly1305", derived.subarray(0, 32), derived.subarray(32), {
      authTagLength: 16,
    });
    cipher.setAAD(Uint8Array.of(1, kind, ...utf8(CONTEXT)), { plaintextLength: body.length });
    return Uint8Array.of(1, kind, ...salt, ...cipher.update(body), ...cipher.final(), ...cipher.getAuthTag());
  };
  const bytes = (length: number, byte = 1): number[] => new Array<number>(length).fill(byte);
  const u64 = (value: number): number[] => [0, 0, 0, 0, 0, 0, 0, value];

  const inbound = (earliest: number, latest: number, verified: number): Uint8Array =>
    Uint8Array.of(...bytes(128), 0, 0, 0, earliest, ...bytes(128), 0, 0, 0, latest, ...publicKey, verified);
  const { publicKey } = nodeProvider.generateEd25519();
  const session = (chains: number, skipped: number, index: readonly number[] = u64(5)): Uint8Array =>
    Uint8Array.of(
      ...bytes(128),
      0,
      ...bytes(32),
      chains,
      ...Array.from({ length: chains }, () => [
        ...bytes(64),
        ...index,
        skipped,
        ...Array.from({ length: skipped }, () => [...bytes(32), ...u64(2)]).flat(),
      ]).flat(),
    );
  const account = (form: number, count: readonly number[], flag: number): Uint8Array =>
    Uint8Array.of(form, ...bytes(32), ...publicKey, ...bytes(64), ...u64(9), ...count, flag, 0);

  it("is as the files say: these open", () => {
    const open = openInboundGroup(nodeProvider, sealBody(4, inbound(1, 2, 1)), KEY, CONTEXT);
    expect(open.exportState()).toMatchObject({
      earliest: { index: 1 },
      latest: { index: 2 },
      signingKeyVerified: true,
    });
    const five = openSession(nodeProvider, sealBody(2, session(5, 40)), KEY, CONTEXT);
    expect(five.exportState().receiverChains.map((chain) => chain.skipped.length)).toEqual([
      40, 40, 40, 40, 40,
    ]);
    const full = session(1, 0, [0, 0, 0, 1, 0, 0, 0, 0]);
    expect(openSession(nodeProvider, sealBody(2, full), KEY, CONTEXT).hasReceived).toBe(true);
    const none = openAccount(nodeProvider, sealBody(1, account(0, [0, 0, 0, 0], 0)), KEY, CONTEXT);
    expect(none.exportState()).toMatchObject({ nextKeyId: 9, oneTimeKeys: [], fallbackKey: null });
  });

  it.each([
    ["the latest ratchet before the earliest", 4, inbound(2, 1, 1)],
    ["a boolean of 2", 4, inbound(1, 2, 2)],
    ["bytes left over", 4, Uint8Array.of(...inbound(1, 2, 1), 0)],
    ["six receiver chains", 2, session(6, 0)],
    ["41 skipped keys in a chain", 2, session(1, 41)],
    ["a chain beyond 2^32", 2, session(1, 0, [0, 0, 0, 1, 0, 0, 0, 1])],
    ["an unknown form of key", 1, account(2, [0, 0, 0, 0], 0)],
    ["a list of 2^32 - 1 keys", 1, account(0, [255, 255, 255, 255], 0)],
    ["a list of 5,001 keys", 1, account(0, [0, 0, 0x13, 0x89], 0)],
    ["a key that is half there", 1, account(0, [0, 0, 0, 0], 1)],
    ["nothing", 3, new Uint8Array(0)],
  ])("is refused with %s, though it is sealed rightly", (_what, kind, body) => {
    const open = [openAccount, openSession, openOutboundGroup, openInboundGroup][kind - 1]!;
    expect(codeOf(() => open(nodeProvider, sealBody(kind, body), KEY, CONTEXT))).toBe("FORMAT");
  });

  it("is refused with a signing key of small order", () => {
    const body = Uint8Array.of(...inbound(1, 2, 1).map((byte, i) => (i >= 264 && i < 296 ? 0 : byte)));
    expect(codeOf(() => openInboundGroup(nodeProvider, sealBody(4, body), KEY, CONTEXT))).toBe("SMALL_ORDER");
  });

  it("is refused with key IDs that JavaScript cannot count", () => {
    const body = account(0, [0, 0, 0, 0], 0).map((byte, i) => (i === 129 ? 0x20 : byte));
    expect(codeOf(() => openAccount(nodeProvider, sealBody(1, body), KEY, CONTEXT))).toBe("FORMAT");
    const rightAt = account(0, [0, 0, 0, 0], 0).map((byte, i) => (i === 130 ? 0x1f : byte));
    expect(
      openAccount(nodeProvider, sealBody(1, rightAt), KEY, CONTEXT).exportState().nextKeyId,
    ).toBeGreaterThan(2 ** 51);
  });

  it("shows no secret in its errors", () => {
    const secret = MegolmOutboundSession.create(nodeProvider).exportState().ratchet!.bytes;
    const body = Uint8Array.of(1, ...secret);
    expect(() => openOutboundGroup(nodeProvider, sealBody(3, body), KEY, CONTEXT)).toThrow(
      /^pickled outbound group session: expected 4 bytes, found 0, at byte 129$/,
    );
  });
});
