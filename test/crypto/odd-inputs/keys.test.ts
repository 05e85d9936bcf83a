// Odd keys and signatures: small order, off the curve, not canonical, malleable; for Olm, Megolm and plain signatures.
import { createPrivateKey, createPublicKey, sign } from "node:crypto";
import type { Fields, Op, Oracle } from "#test/peers/olm/protocol.ts";
import {
  type Bytes,
  exportOf,
  forgeMegolm,
  forgeOlm,
  forgePreKey,
  fromBase64,
  hkdf,
  malleated,
  megolmSender,
  rootKeyOf,
  sessionKeyOf,
  toBase64,
  x25519,
  ZEROS,
} from "./forge.ts";
import {
  accepts,
  type Case,
  compareAll,
  device,
  forger,
  oneTimeKey,
  rawSession,
  set,
  talk,
} from "./scene.ts";

type Verdicts = Omit<Case, "name" | "run">;
const LAX: Verdicts = { ours: "refused", libolm: "accepted", goolm: "refused", vodozemac: "refused" };
const STRICT: Verdicts = { ours: "refused", libolm: "refused", goolm: "refused", vodozemac: "refused" };
const OPEN: Verdicts = { ours: "accepted", libolm: "accepted", goolm: "accepted", vodozemac: "accepted" };

// The others look at an imported signing key when a message comes, if at all; ours at the import.
const UNCHECKED: Verdicts = { ours: "refused", libolm: "accepted", goolm: "accepted", vodozemac: "accepted" };

const hex = (text: string): Bytes => new Uint8Array(Buffer.from(text, "hex"));

// Points of Ed25519 (RFC 8032, section 5.1): order 1, order 8, the order-1 point written with y = p + 1, y = 2 (on no
// point), and the order-1 point with the sign bit that x = 0 does not have.
const IDENTITY = hex("0100000000000000000000000000000000000000000000000000000000000000");
const ORDER_8 = hex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05");
const NON_CANONICAL = hex("eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f");
const OFF_CURVE = hex("0200000000000000000000000000000000000000000000000000000000000000");
const NEGATIVE_ZERO = hex("0100000000000000000000000000000000000000000000000000000000000080");

// Keys of X25519 whose shared secret is zero (RFC 7748, section 6.1; the list of Wycheproof).
const X_ORDER_8 = hex("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800");
const X_ONE = hex("0100000000000000000000000000000000000000000000000000000000000000");
const X_P = hex("edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f");

const call = (name: string, verdicts: Verdicts, op: Op, fields: () => Fields): Case => ({
  name,
  ...verdicts,
  run: (who) => accepts(who, op, fields()),
});

const signer = (): { pub: Bytes; sign(message: string): Bytes } => {
  const secret = createPrivateKey({
    key: Buffer.concat([hex("302e020100300506032b657004220420"), hex("11".repeat(32))]),
    format: "der",
    type: "pkcs8",
  });
  const pub = createPublicKey(secret).export({ format: "der", type: "spki" }).subarray(-32);
  return {
    pub: new Uint8Array(pub),
    sign: (message) => new Uint8Array(sign(null, Buffer.from(message), secret)),
  };
};

const verify = (
  name: string,
  verdicts: Verdicts,
  pub: Uint8Array,
  signature: Uint8Array,
  msg = "message",
): Case =>
  call(`signature: ${name}`, verdicts, "verify", () => ({
    pub: toBase64(pub),
    msg,
    sig: toBase64(signature),
  }));

const { pub, sign: signed } = signer();
// R the identity, S = 0: holds for every message under a key of order 1, where cofactors are not asked about.
const EMPTY_SIGNATURE = new Uint8Array(Buffer.concat([IDENTITY, ZEROS]));

const signatureCases: readonly Case[] = [
  verify("as it should be", OPEN, pub, signed("message")),
  verify("of the empty message", { ...OPEN }, pub, signed(""), ""),
  verify("S + L in place of S", LAX, pub, malleated(signed("message"))),
  verify("under a key of order 1", { ...LAX, goolm: "accepted" }, IDENTITY, EMPTY_SIGNATURE),
  verify("under a key that is not canonical", { ...LAX, goolm: "accepted" }, NON_CANONICAL, EMPTY_SIGNATURE),
  verify("under a key on no curve", STRICT, OFF_CURVE, signed("message")),
  verify("63 bytes", STRICT, pub, signed("message").slice(0, 63)),
  verify("65 bytes", { ...STRICT, libolm: "accepted" }, pub, new Uint8Array([...signed("message"), 0])),
  verify("a key of 31 bytes", STRICT, pub.slice(0, 31), signed("message")),
  verify("of another message", STRICT, pub, signed("massage")),
];

const importCase = (name: string, verdicts: Verdicts, key: Uint8Array): Case =>
  call(`import of a session export: ${name}`, verdicts, "group_import", () => ({
    key: toBase64(exportOf(megolmSender().ratchet, key, 0)),
  }));

const sessionKey = (name: string, verdicts: Verdicts, change: (key: Bytes) => Uint8Array): Case =>
  call(`session key: ${name}`, verdicts, "group_inbound", () => ({
    key: toBase64(change(sessionKeyOf(megolmSender(), 0))),
  }));

const flip = (key: Bytes, at: number): Bytes => {
  const out = key.slice();
  out[at] = (out[at] ?? 0) ^ 1;
  return out;
};

const megolmCases: readonly Case[] = [
  importCase("a right key", OPEN, megolmSender().publicKey),
  importCase("a signing key of order 1", UNCHECKED, IDENTITY),
  importCase("a signing key of order 8", UNCHECKED, ORDER_8),
  importCase("a signing key on no curve", { ...LAX, goolm: "accepted" }, OFF_CURVE),
  importCase("a signing key that is not canonical", UNCHECKED, NON_CANONICAL),
  importCase("a signing key with the sign of a zero", UNCHECKED, NEGATIVE_ZERO),
  sessionKey("as it should be", OPEN, (key) => key),
  sessionKey("signature with S + L", LAX, (key) =>
    Buffer.concat([key.subarray(0, 165), malleated(key.slice(165))]),
  ),
  sessionKey("another index", STRICT, (key) => flip(key, 4)),
  sessionKey("another ratchet", STRICT, (key) => flip(key, 40)),
  sessionKey("one byte too long", STRICT, (key) => Buffer.concat([key, Uint8Array.of(0)])),
  sessionKey("one byte too short", STRICT, (key) => key.slice(0, -1)),
  sessionKey("version 1, which is the export's", STRICT, (key) =>
    Buffer.concat([Uint8Array.of(1), key.slice(1)]),
  ),
  {
    name: "Megolm message: signature with S + L",
    ...LAX,
    run: async (who) => {
      const sender = megolmSender();
      const { h = "" } = await set(who, "group_inbound", { key: toBase64(sessionKeyOf(sender, 0)) });
      return accepts(who, "group_decrypt", {
        h,
        body: toBase64(forgeMegolm(sender, 0, { signature: malleated })),
      });
    },
  },
];

const exportOfLength = (name: string, verdicts: Verdicts, change: (bytes: Bytes) => Uint8Array): Case =>
  call(`import of a session export: ${name}`, verdicts, "group_import", () => {
    const { ratchet, publicKey } = megolmSender();
    return { key: toBase64(change(exportOf(ratchet, publicKey, 0))) };
  });

const exportLengths: readonly Case[] = [
  exportOfLength("one byte too long", { ...STRICT, vodozemac: "accepted" }, (bytes) =>
    Buffer.concat([bytes, Uint8Array.of(0)]),
  ),
  exportOfLength("one byte too short", STRICT, (bytes) => bytes.slice(0, -1)),
  exportOfLength("version 2, which is the session key's", STRICT, (bytes) =>
    Buffer.concat([Uint8Array.of(2), bytes.slice(1)]),
  ),
];

/** An outbound session to a device with one odd key. */
const outbound = (name: string, verdicts: Verdicts, odd: { identity?: Bytes; oneTime?: Bytes }): Case => ({
  name: `outbound session: ${name}`,
  ...verdicts,
  run: async (who) => {
    const { h } = await device(who);
    const keys = { identity: x25519().publicKey, oneTime: x25519().publicKey, ...odd };
    const fields = { h, their_identity: toBase64(keys.identity), their_otk: toBase64(keys.oneTime) };
    return accepts(who, "session_outbound", fields);
  },
});

/** An inbound session from a sender who chooses odd keys and knows every secret, and the answer to it where that is asked for. */
const inbound = (
  name: string,
  verdicts: Verdicts,
  odds: Parameters<typeof forgePreKey>[3],
  answering: boolean,
): Case => ({
  name: `inbound session: ${name}`,
  ...verdicts,
  run: async (who) => {
    const bob = await device(who);
    const [identity, theirs] = [x25519(), fromBase64(await oneTimeKey(who, bob))];
    const body = toBase64(forgePreKey(identity, theirs, fromBase64(bob.identity), odds));
    const fields = { h: bob.h, their_identity: toBase64(identity.publicKey), body };
    const made = await who.call("session_inbound", fields);
    return made.ok && (!answering || accepts(who, "encrypt", { h: made.h ?? "", pt: "answer" }));
  },
});

/** In an established session, a new chain under a ratchet key of zeros: its secret is known to whoever knows the root key. */
const zeroRatchet = async (who: Oracle): Promise<boolean> => {
  const { session, bob } = await talk(who);
  const { type = 1, body: answer = "" } = await set(who, "encrypt", { h: bob, pt: "answer" });
  await set(forger, "decrypt", { h: session, type, body: answer });
  const chainKey = hkdf(rootKeyOf(await rawSession(forger, session)), ZEROS, "OLM_RATCHET", 64).slice(32);
  const body = toBase64(forgeOlm({ ratchetKey: ZEROS, chainKey, index: 0 }));
  return accepts(who, "decrypt", { h: bob, type: 1, body });
};

const olmCases: readonly Case[] = [
  outbound("right keys", OPEN, {}),
  outbound("an identity key of zeros", LAX, { identity: ZEROS }),
  outbound("a one-time key of zeros", LAX, { oneTime: ZEROS }),
  outbound("a one-time key of order 8", LAX, { oneTime: X_ORDER_8 }),
  outbound("a one-time key of 1", LAX, { oneTime: X_ONE }),
  outbound("a one-time key of p, which is 0", LAX, { oneTime: X_P }),
  outbound("a one-time key of 31 bytes", STRICT, { oneTime: ZEROS.slice(0, 31) }),
  outbound("an identity key of 33 bytes", STRICT, { identity: new Uint8Array(33).fill(9) }),
  inbound("right keys, answered", OPEN, {}, true),
  inbound("a base key of zeros", LAX, { base: "zero" }, false),
  // The first ratchet key meets our keys with our first answer; until then nothing depends on it.
  inbound("a ratchet key of zeros, unanswered", OPEN, { ratchet: "zero" }, false),
  inbound("a ratchet key of zeros, answered", LAX, { ratchet: "zero" }, true),
  { name: "established session: a ratchet key of zeros", ...LAX, run: zeroRatchet },
];

compareAll("signatures", signatureCases);
compareAll("Megolm keys", [...megolmCases, ...exportLengths]);
compareAll("Olm keys", olmCases);
