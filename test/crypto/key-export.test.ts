import { afterAll, describe, expect, it } from "vitest";
import { encodeBase64 } from "#crypto/base64.ts";
import type { ExportedSession } from "#crypto/exported-session.ts";
import { decryptKeyFile, encryptKeyFile } from "#crypto/key-export.ts";
import { MegolmInboundSession } from "#crypto/megolm/inbound.ts";
import { MegolmOutboundSession } from "#crypto/megolm/outbound.ts";
import { nodeProvider } from "#crypto/provider/node.ts";
import type { CryptoProvider } from "#crypto/provider.ts";
import { startPeer } from "#test/peers/crypto/client.ts";
import {
  b64,
  counting,
  expectHidden,
  flipped,
  fromB64,
  providers,
  refusal,
  utf8,
} from "./support/formats.ts";

const rustSdk = startPeer("rust-sdk");
afterAll(() => rustSdk.close());

const HEADER = "-----BEGIN MEGOLM SESSION DATA-----";
const FOOTER = "-----END MEGOLM SESSION DATA-----";
const wrap = (bytes: Uint8Array): string => `${HEADER}\n${b64(bytes)}\n${FOOTER}\n`;
const unwrap = (file: string): Uint8Array => fromB64(file.replace(HEADER, "").replace(FOOTER, ""));

const makeSession = (provider: CryptoProvider): ExportedSession => {
  const inbound = MegolmInboundSession.fromSessionKey(
    provider,
    MegolmOutboundSession.create(provider).sessionKey(),
  );
  return {
    algorithm: "m.megolm.v1.aes-sha2",
    roomId: "!room:example.org",
    sessionId: inbound.sessionId,
    sessionKey: inbound.exportAt(0),
    senderKey: encodeBase64(provider.generateX25519().publicKey),
    senderClaimedKeys: { ed25519: encodeBase64(provider.generateEd25519().publicKey) },
    forwardingCurve25519KeyChain: [],
    sharedHistory: false,
  };
};

/** PBKDF2 is the same in both providers, and slow: where it is not what is tested, the fast one does it. */
const quick = (provider: CryptoProvider): CryptoProvider => ({
  ...provider,
  pbkdf2Sha512: nodeProvider.pbkdf2Sha512,
});
const ROUNDS = { rounds: 100_000 };

/** A file of the given plaintext, by hand: what an honest writer never makes. */
const fileOf = (provider: CryptoProvider, plaintext: string, passphrase: string, rounds = 10): Uint8Array => {
  const keys = nodeProvider.pbkdf2Sha512(utf8(passphrase), counting(16), rounds, 64);
  const head = Uint8Array.of(1, ...counting(16), ...counting(16), 0, 0, 0, rounds);
  const body = Uint8Array.of(
    ...head,
    ...provider.aesCtr(keys.subarray(0, 32), counting(16), utf8(plaintext)),
  );
  return Uint8Array.of(...body, ...provider.hmacSha256(keys.subarray(32), body));
};

describe.each(providers.map(quick))("key files ($name)", (provider) => {
  const sessions = [makeSession(provider), { ...makeSession(provider), sharedHistory: true }];
  const file = encryptKeyFile(provider, sessions, "pässphrase", ROUNDS);

  it("gives the sessions back", () => {
    expect(decryptKeyFile(provider, file, "pässphrase")).toEqual({ sessions, refused: [] });
  });

  it("writes lines of at most 76 characters between header and footer, with bit 63 of the IV clear", () => {
    const lines = file.split("\n");
    expect([lines[0], lines.at(-2), lines.at(-1)]).toEqual([HEADER, FOOTER, ""]);
    expect(Math.max(...lines.map((line) => line.length))).toBe(76);
    const ones = { ...provider, random: (length: number) => new Uint8Array(length).fill(0xff) };
    const bytes = unwrap(encryptKeyFile(ones, [], "x", ROUNDS));
    expect(bytes.slice(17, 33)).toEqual(new Uint8Array(16).fill(0xff).fill(0x7f, 8, 9));
    expect([...bytes.slice(33, 37)]).toEqual([0, 1, 0x86, 0xa0]);
  });

  it("writes 500,000 rounds unless told otherwise, and never fewer than 100,000", () => {
    const seen: number[] = [];
    const spy = {
      ...provider,
      pbkdf2Sha512: (...[, , rounds, length]: Parameters<CryptoProvider["pbkdf2Sha512"]>) => {
        seen.push(rounds);
        return new Uint8Array(length);
      },
    };
    encryptKeyFile(spy, [], "x");
    expect(seen).toEqual([500_000]);
    for (const rounds of [99_999, 0, -1, 1.5, 2 ** 32, Number.NaN]) {
      expect(() => encryptKeyFile(spy, [], "x", { rounds })).toThrow(RangeError);
    }
    expect(() => encryptKeyFile(spy, [], "")).toThrow(RangeError);
  });

  it.each([
    ["CRLF line ends", (text: string) => text.replaceAll("\n", "\r\n")],
    ["white space around it", (text: string) => `\n\n  ${text}  \n`],
    ["one long line", (text: string) => `${HEADER}${encodeBase64(unwrap(text))}${FOOTER}`],
    ["padding", (text: string) => wrap(unwrap(text))],
  ])("reads a file with %s", (_name, change) => {
    expect(decryptKeyFile(provider, change(file), "pässphrase").sessions).toEqual(sessions);
  });

  it("refuses a wrong passphrase and any change", () => {
    const bytes = unwrap(file);
    expect(() => decryptKeyFile(provider, file, "passphrase")).toThrow(refusal("MAC"));
    for (const at of [1, 17, 36, 37, bytes.length - 33, bytes.length - 1]) {
      expect(() => decryptKeyFile(provider, wrap(flipped(bytes, at)), "pässphrase")).toThrow(refusal("MAC"));
    }
  });

  it.each([
    ["nothing", "FORMAT", ""],
    ["other lines", "FORMAT", "-----BEGIN PGP MESSAGE-----\nAAAA\n-----END PGP MESSAGE-----"],
    ["no footer", "FORMAT", `${HEADER}\nAAAA`],
    ["header and footer that overlap", "FORMAT", HEADER + FOOTER.slice(5)],
    ["too few bytes", "FORMAT", wrap(counting(68))],
    ["no base64", "BASE64", `${HEADER}\nAA*A\n${FOOTER}`],
    ["another version", "VERSION", wrap(new Uint8Array(100).fill(2))],
    ["no rounds", "FORMAT", wrap(Uint8Array.of(1, ...new Uint8Array(80)))],
  ] as const)("refuses %s", (_name, code, text) => {
    expect(() => decryptKeyFile(provider, text, "x")).toThrow(refusal(code));
  });

  // A file can ask for four thousand million rounds of PBKDF2, hours of work, before anything authenticates it.
  it("refuses more rounds than allowed before it does any of them", () => {
    const lazy = { ...provider, pbkdf2Sha512: () => expect.unreachable() };
    const asks = (...rounds: number[]): string =>
      wrap(Uint8Array.of(1, ...new Uint8Array(32), ...rounds, ...new Uint8Array(40)));
    expect(() => decryptKeyFile(lazy, asks(0xff, 0xff, 0xff, 0xff), "x")).toThrow(refusal("UNSUPPORTED"));
    expect(() => decryptKeyFile(lazy, asks(0, 0x4c, 0x4b, 0x41), "x")).toThrow(/5000001 rounds/);
    expect(() => decryptKeyFile(lazy, asks(0, 0, 0, 11), "x", { roundsMax: 10 })).toThrow(
      refusal("UNSUPPORTED"),
    );
    expect(
      decryptKeyFile(provider, wrap(fileOf(provider, "[]", "x")), "x", { roundsMax: 10 }).sessions,
    ).toEqual([]);
  });

  it("reports a broken entry and keeps the others", () => {
    const entry = { algorithm: "a", room_id: "r", session_id: "i", session_key: "k", sender_key: "s" };
    const inside = JSON.stringify([
      1,
      entry,
      { ...entry, session_key: null },
      JSON.parse('{"__proto__":{}}'),
    ]);
    const { sessions: read, refused } = decryptKeyFile(provider, wrap(fileOf(provider, inside, "x")), "x");
    expect(read.map(({ roomId }) => roomId)).toEqual(["r"]);
    expect(refused).toEqual([0, 2, 3].map((index) => ({ index, error: refusal("FORMAT") })));
  });

  it.each(["{}", "nonsense", "null"])("refuses %s inside, and does not quote it", (inside) => {
    const bytes = fileOf(provider, inside, "x");
    expect(() => decryptKeyFile(provider, wrap(bytes), "x")).toThrow(refusal("FORMAT"));
    expect(() => decryptKeyFile(provider, wrap(bytes), "x")).not.toThrow(/nonsense/);
  });

  it("says nothing of the passphrase in its errors", () => {
    try {
      decryptKeyFile(provider, file, "correct horse battery staple");
      expect.unreachable();
    } catch (error) {
      expectHidden(error, utf8("correct horse battery staple"));
    }
  });

  it("is read by matrix-sdk-crypto, which imports its sessions", async () => {
    const result = await rustSdk.call<{ imported: number; exported: string }>(
      "importKeyFile",
      file,
      "pässphrase",
    );
    expect(result.imported).toBe(2);
    const exported: unknown = JSON.parse(result.exported);
    const expected = sessions.map(({ sessionId, sessionKey, sharedHistory }): unknown =>
      expect.objectContaining({
        session_id: sessionId,
        session_key: sessionKey,
        "m.shared_history": sharedHistory,
      }),
    );
    expect(exported).toEqual(expect.arrayContaining(expected));
  });

  it("reads what matrix-sdk-crypto writes", async () => {
    const { exported } = await rustSdk.call<{ exported: string }>("importKeyFile", file, "pässphrase");
    const theirs = await rustSdk.call<string>("encryptKeyFile", exported, "their pass", 1000);
    const { sessions: read, refused } = decryptKeyFile(provider, theirs, "their pass");
    expect(refused).toEqual([]);
    expect(new Set(read.map(({ sessionKey }) => sessionKey))).toEqual(
      new Set(sessions.map(({ sessionKey }) => sessionKey)),
    );
    expect(read.filter(({ sharedHistory }) => sharedHistory)).toHaveLength(1);
    for (const session of read) {
      expect(MegolmInboundSession.fromExport(provider, session.sessionKey).sessionId).toBe(session.sessionId);
    }
  });
});

describe("key files under the pure JavaScript PBKDF2", () => {
  it("are the same", () => {
    const [, noble] = providers;
    if (noble === undefined) throw new Error("no second provider");
    expect(
      decryptKeyFile(noble, wrap(fileOf(nodeProvider, "[]", "pässphrase", 200)), "pässphrase").sessions,
    ).toEqual([]);
  });
});
