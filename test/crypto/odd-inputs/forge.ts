// Forged messages: odd encodings under right MACs and signatures, by the specification's formulas and node:crypto alone.
import {
  createCipheriv,
  createHmac,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  hkdfSync,
  type KeyObject,
  sign,
} from "node:crypto";

export type Bytes = Uint8Array<ArrayBuffer>;

export const toBase64 = (bytes: Uint8Array): string =>
  Buffer.from(bytes).toString("base64").replace(/=+$/, "");
export const fromBase64 = (text: string): Bytes => new Uint8Array(Buffer.from(text, "base64"));
export const concat = (...parts: readonly (Uint8Array | readonly number[])[]): Bytes =>
  new Uint8Array(Buffer.concat(parts.map((part) => Uint8Array.from(part))));

export const ZEROS: Bytes = new Uint8Array(32);

/** A varint; `extra` bytes longer than it has to be. */
export const varint = (value: number | bigint, extra = 0): Bytes => {
  const out: number[] = [];
  let rest = BigInt(value);
  for (; rest >= 0x80n; rest >>= 7n) out.push(Number(rest & 0x7fn) | 0x80);
  out.push(Number(rest));
  for (let i = 0; i < extra; i += 1) {
    out[out.length - 1] = (out.at(-1) ?? 0) | 0x80;
    out.push(0);
  }
  return Uint8Array.from(out);
};

export const field = (tag: number, value: Uint8Array): Bytes => concat([tag], varint(value.length), value);

const hmac = (key: Uint8Array, data: Uint8Array): Bytes =>
  new Uint8Array(createHmac("sha256", key).update(data).digest());
export const hkdf = (salt: Uint8Array, secret: Uint8Array, info: string, length: number): Bytes =>
  new Uint8Array(hkdfSync("sha256", secret, salt, info, length));

/** The block cipher and the MAC of one message. */
export type MessageKeys = {
  /** With the padding that is asked for in place of PKCS#7. */
  encrypt(plaintext: Uint8Array, padding?: readonly number[]): Bytes;
  mac(authenticated: Uint8Array): Bytes;
};

const messageKeys = (secret: Uint8Array, info: string): MessageKeys => {
  const all = hkdf(new Uint8Array(0), secret, info, 80);
  return {
    encrypt: (plaintext, padding) => {
      const cipher = createCipheriv("aes-256-cbc", all.subarray(0, 32), all.subarray(64));
      cipher.setAutoPadding(padding === undefined);
      return concat(cipher.update(concat(plaintext, padding ?? [])), cipher.final());
    },
    mac: (authenticated) => hmac(all.subarray(32, 64), authenticated),
  };
};

/** A sender's chain, as its libolm pickle holds it. */
export type OlmChain = { readonly ratchetKey: Bytes; readonly chainKey: Bytes; readonly index: number };

/** Where the sender chain's count stands in a session's raw pickle: after version, flag, three keys and the root key. */
const CHAIN_AT = 4 + 1 + 96 + 32;

export const rootKeyOf = (rawSession: Uint8Array): Bytes => new Uint8Array(rawSession.subarray(101, 133));

export const senderChainOf = (raw: Buffer): OlmChain => {
  if (raw.readUInt32BE(CHAIN_AT) !== 1) throw new RangeError("no sender chain in this pickle");
  const at = CHAIN_AT + 4;
  return {
    ratchetKey: new Uint8Array(raw.subarray(at, at + 32)),
    chainKey: new Uint8Array(raw.subarray(at + 64, at + 96)),
    index: raw.readUInt32BE(at + 96),
  };
};

export type OlmParts = { readonly ratchetKey: Bytes; readonly index: number; readonly ciphertext: Bytes };
export type OlmLayout = (parts: OlmParts) => Bytes;

export const olmLayout: OlmLayout = ({ ratchetKey, index, ciphertext }) =>
  concat([3], field(0x0a, ratchetKey), [0x10], varint(index), field(0x22, ciphertext));

export type OlmOdds = {
  readonly layout?: OlmLayout;
  readonly padding?: readonly number[];
  readonly plaintext?: string;
  readonly macBytes?: number;
  readonly ciphertext?: Bytes;
};

/** The next message of a chain, with something odd about it. */
export const forgeOlm = (chain: OlmChain, odds: OlmOdds = {}): Bytes => {
  const keys = messageKeys(hmac(chain.chainKey, Uint8Array.of(1)), "OLM_KEYS");
  const ciphertext = odds.ciphertext ?? keys.encrypt(Buffer.from(odds.plaintext ?? "odd"), odds.padding);
  const { ratchetKey, index } = chain;
  const authenticated = (odds.layout ?? olmLayout)({ ratchetKey, index, ciphertext });
  return concat(authenticated, keys.mac(authenticated).subarray(0, odds.macBytes ?? 8));
};

export const advanced = (chain: OlmChain, steps: number): OlmChain => {
  let { chainKey } = chain;
  for (let i = 0; i < steps; i += 1) chainKey = hmac(chainKey, Uint8Array.of(2));
  return { ...chain, chainKey, index: chain.index + steps };
};

const PKCS8_X25519 = Buffer.from("302e020100300506032b656e04220420", "hex");
const SPKI_X25519 = Buffer.from("302a300506032b656e032100", "hex");

export type KeyPair = { readonly publicKey: Bytes; agree(theirs: Uint8Array): Bytes };

export const x25519 = (): KeyPair => {
  const { privateKey, publicKey } = generateKeyPairSync("x25519");
  const secret = privateKey.export({ format: "der", type: "pkcs8" }).subarray(-32);
  const own = createPrivateKey({ key: Buffer.concat([PKCS8_X25519, secret]), format: "der", type: "pkcs8" });
  return {
    publicKey: new Uint8Array(publicKey.export({ format: "der", type: "spki" }).subarray(-32)),
    agree: (theirs) => {
      const key = createPublicKey({ key: Buffer.concat([SPKI_X25519, theirs]), format: "der", type: "spki" });
      return new Uint8Array(diffieHellman({ privateKey: own, publicKey: key }));
    },
  };
};

/** A pre-key message from a base key of zeros (or a right one): whoever sends that knows all three secrets. */
export const forgePreKey = (
  identity: KeyPair,
  oneTimeKey: Uint8Array,
  theirIdentity: Uint8Array,
  odds: { readonly base?: "zero" | "right"; readonly ratchet?: "zero" | "right" },
): Bytes => {
  const base = x25519();
  const right = odds.base !== "zero";
  const secrets = concat(
    identity.agree(oneTimeKey),
    right ? base.agree(theirIdentity) : ZEROS,
    right ? base.agree(oneTimeKey) : ZEROS,
  );
  const chainKey = hkdf(new Uint8Array(0), secrets, "OLM_ROOT", 64).slice(32);
  const ratchetKey = odds.ratchet === "zero" ? ZEROS : x25519().publicKey;
  return preKeyLayout({
    oneTimeKey: new Uint8Array(oneTimeKey),
    baseKey: right ? base.publicKey : ZEROS,
    identityKey: identity.publicKey,
    message: forgeOlm({ ratchetKey, chainKey, index: 0 }),
  });
};

export type PreKeyParts = {
  readonly oneTimeKey: Bytes;
  readonly baseKey: Bytes;
  readonly identityKey: Bytes;
  readonly message: Bytes;
};

export const preKeyLayout = ({ oneTimeKey, baseKey, identityKey, message }: PreKeyParts): Bytes =>
  concat([3], field(0x0a, oneTimeKey), field(0x12, baseKey), field(0x1a, identityKey), field(0x22, message));

/** The parts of a genuine pre-key message in the usual order. */
export const preKeyParts = (body: Bytes): PreKeyParts => ({
  oneTimeKey: body.slice(3, 35),
  baseKey: body.slice(37, 69),
  identityKey: body.slice(71, 103),
  message: body.slice(103 + 1 + ((body[104] ?? 0) < 0x80 ? 1 : 2)),
});

/** A Megolm sender whose every secret is known. */
export type MegolmSender = {
  readonly ratchet: Bytes;
  readonly signingKey: KeyObject;
  readonly publicKey: Bytes;
};

export const megolmSender = (): MegolmSender => {
  const { privateKey, publicKey } = generateKeyPairSync("ed25519");
  return {
    ratchet: new Uint8Array(hkdf(ZEROS, ZEROS, "ratchet", 128)),
    signingKey: privateKey,
    publicKey: new Uint8Array(publicKey.export({ format: "der", type: "spki" }).subarray(-32)),
  };
};

const u32 = (value: number): Bytes => {
  const out = Buffer.alloc(4);
  out.writeUInt32BE(value);
  return new Uint8Array(out);
};

export const signature = ({ signingKey }: MegolmSender, data: Uint8Array): Bytes =>
  new Uint8Array(sign(null, data, signingKey));

export const sessionKeyOf = (sender: MegolmSender, index: number): Bytes => {
  const body = concat([2], u32(index), sender.ratchet, sender.publicKey);
  return concat(body, signature(sender, body));
};

export const exportOf = (ratchet: Uint8Array, publicKey: Uint8Array, index: number): Bytes =>
  concat([1], u32(index), ratchet, publicKey);

export type MegolmParts = { readonly index: number; readonly ciphertext: Bytes };
export type MegolmLayout = (parts: MegolmParts) => Bytes;

export const megolmLayout: MegolmLayout = ({ index, ciphertext }) =>
  concat([3], [0x08], varint(index), field(0x12, ciphertext));

export type MegolmOdds = {
  readonly layout?: MegolmLayout;
  readonly padding?: readonly number[];
  readonly plaintext?: string;
  readonly macBytes?: number;
  readonly ciphertext?: Bytes;
  readonly signature?: (genuine: Bytes) => Bytes;
};

/** The message at `index` of a sender whose ratchet is that of `index`. */
export const forgeMegolm = (sender: MegolmSender, index: number, odds: MegolmOdds = {}): Bytes => {
  const keys = messageKeys(sender.ratchet, "MEGOLM_KEYS");
  const ciphertext = odds.ciphertext ?? keys.encrypt(Buffer.from(odds.plaintext ?? "odd"), odds.padding);
  const authenticated = (odds.layout ?? megolmLayout)({ index, ciphertext });
  const signed = concat(authenticated, keys.mac(authenticated).subarray(0, odds.macBytes ?? 8));
  const genuine = signature(sender, signed);
  return concat(signed, odds.signature?.(genuine) ?? genuine);
};

/** The ratchet where its highest part has stepped `steps` times, and all others are made anew from it: at a multiple of 2^24. */
export const reseeded = (ratchet: Bytes, steps: number): Bytes => {
  let first: Bytes = ratchet.slice(0, 32);
  for (let i = 1; i < steps; i += 1) first = hmac(first, Uint8Array.of(0));
  return concat(...[0, 1, 2, 3].map((part) => hmac(first, Uint8Array.of(part))));
};

const L = 2n ** 252n + 27742317777372353535851937790883648493n;

/** The same signature with S + L in place of S: it satisfies the equation, and is not the one that was made. */
export const malleated = (genuine: Uint8Array): Bytes => {
  let s = 0n;
  for (const byte of genuine.slice(32).reverse()) s = (s << 8n) | BigInt(byte);
  s += L;
  const out = new Uint8Array(genuine);
  for (let i = 32; i < 64; i += 1, s >>= 8n) out[i] = Number(s & 0xffn);
  return out;
};
