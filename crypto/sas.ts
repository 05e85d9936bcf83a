// Short authentication strings (specification: SAS verification; key agreement `curve25519-hkdf-sha256`, hash `sha256`).
// Done here: the key agreement, commitment, strings and MACs of a verification. The order of messages belongs to the machine.
//
// All public keys cross this API as base64 and are put into infos and commitments as unpadded base64, whatever form they came in.
import { decodeBase64, encodeBase64 } from "./base64.ts";
import { canonicalJson, compareCodePoints } from "./canonical-json.ts";
import { CryptoError } from "./errors.ts";
import type { CryptoProvider, X25519KeyPair } from "./provider.ts";
import { SAS_EMOJI } from "./sas-emoji.ts";
import {
  encodeUtf8,
  type JsonObject,
  objectMember,
  requireBytes,
  requireObject,
  stringMember,
} from "./shape.ts";

const NO_SALT: Uint8Array = new Uint8Array(0);
const KEY_BYTES = 32;

/**
 * How MACs are written. `hkdf-hmac-sha256` has libolm's broken base64, of which only six bytes of the MAC survive; it is there for old peers,
 * and must not be chosen where both sides know the other (specification: MAC calculation).
 */
export type SasMacMethod = "hkdf-hmac-sha256.v2" | "hkdf-hmac-sha256";
/** In order of preference. */
export const SAS_MAC_METHODS: readonly SasMacMethod[] = ["hkdf-hmac-sha256.v2", "hkdf-hmac-sha256"];

/** One side of a verification. */
export interface SasParty {
  readonly userId: string;
  readonly deviceId: string;
  /** The ephemeral key of its `m.key.verification.key`, base64. */
  readonly publicKey: string;
}

/** What the strings are bound to: who sent the start, who sent the accept, and the transaction. */
export interface SasContext {
  readonly starter: SasParty;
  readonly accepter: SasParty;
  readonly transactionId: string;
}

/** What the MACs of one direction are bound to. */
export interface SasMacContext {
  readonly sender: Pick<SasParty, "userId" | "deviceId">;
  readonly receiver: Pick<SasParty, "userId" | "deviceId">;
  readonly transactionId: string;
}

/** The content of `m.key.verification.mac`, but for its transaction. */
export interface SasMacs {
  /** Key ID to MAC. */
  readonly mac: { readonly [keyId: string]: string };
  /** The MAC of the sorted list of key IDs. */
  readonly keys: string;
}

/** Our ephemeral key of one verification. Shows its public half only. */
export interface Sas {
  /** Unpadded base64. */
  readonly publicKey: string;
  /**
   * The secret shared with the other side.
   * @throws CryptoError BASE64, FORMAT, SMALL_ORDER, or PROTOCOL when the key is our own sent back
   */
  agree(theirPublicKey: string): SasSecret;
}

/** The shared secret. Nothing of it is visible but what these functions give. */
export interface SasSecret {
  /** `length` bytes for an info of the caller's. The other functions suffice for the specified methods. */
  bytes(info: string, length: number): Uint8Array;
  /** Seven numbers from 0 to 63, see SAS_EMOJI and {@link sasEmoji}. */
  emoji(context: SasContext): readonly number[];
  /** Three numbers from 1000 to 9191. */
  decimals(context: SasContext): readonly [number, number, number];
  /** The MAC of one text under an info of the caller's; {@link sasMacs} makes those of a message. */
  mac(method: SasMacMethod, input: string, info: string): string;
}

/** With a new ephemeral key, or one that was made for this verification and kept. A key serves one verification. */
export function createSas(provider: CryptoProvider, key: X25519KeyPair = provider.generateX25519()): Sas {
  return Object.freeze({
    publicKey: encodeBase64(key.publicKey),
    agree: (theirPublicKey: string): SasSecret => agree(provider, key, theirPublicKey),
  });
}

/**
 * The commitment of `m.key.verification.accept`: unpadded base64 of SHA-256(public key text, canonical JSON of the start).
 *
 * @param publicKey of the side that accepts.
 * @param startContent the content of `m.key.verification.start` as it was sent, with `m.relates_to` or `transaction_id`.
 */
export function sasCommitment(provider: CryptoProvider, publicKey: string, startContent: JsonObject): string {
  return encodeBase64(provider.sha256(encodeUtf8(normalKey(publicKey) + canonicalJson(startContent))));
}

/** Whether a commitment fits the key that was revealed. False: cancel with `m.mismatched_commitment`. @throws CryptoError BASE64 */
export function checkSasCommitment(
  provider: CryptoProvider,
  commitment: string,
  publicKey: string,
  startContent: JsonObject,
): boolean {
  const expected = decodeBase64(sasCommitment(provider, publicKey, startContent));
  return provider.equal(decodeBase64(commitment), expected);
}

/** The emoji of {@link SasSecret.emoji}, with their English names. */
export function sasEmoji(
  numbers: readonly number[],
): readonly { readonly emoji: string; readonly name: string }[] {
  return numbers.map((number) => {
    const [emoji, name] = SAS_EMOJI[number] ?? [];
    if (emoji === undefined || name === undefined)
      throw new RangeError(`emoji: expected 0 to 63, got ${number}`);
    return { emoji, name };
  });
}

/** The info of the strings' HKDF (specification: SAS HKDF calculation). */
export function sasInfo(context: SasContext): string {
  const side = (party: SasParty): string => `${party.userId}|${party.deviceId}|${normalKey(party.publicKey)}`;
  const { starter, accepter, transactionId } = context;
  return `MATRIX_KEY_VERIFICATION_SAS|${side(starter)}|${side(accepter)}|${transactionId}`;
}

/** The info of a MAC's HKDF: nothing stands between its parts. `keyId`: of the key, or `KEY_IDS`. */
export function sasMacInfo(context: SasMacContext, keyId: string): string {
  const { sender, receiver, transactionId } = context;
  const parties = sender.userId + sender.deviceId + receiver.userId + receiver.deviceId;
  return `MATRIX_KEY_VERIFICATION_MAC${parties}${transactionId}${keyId}`;
}

/** Key IDs as they are MACed: sorted by code point, comma-joined. */
export function sasKeyIdList(keyIds: Iterable<string>): string {
  return [...keyIds].sort(compareCodePoints).join(",");
}

/**
 * The MACs to send.
 *
 * @param keys key ID (`ed25519:...`) to public key, unpadded base64: our device key, and our master key if we have it.
 */
export function sasMacs(
  secret: SasSecret,
  method: SasMacMethod,
  context: SasMacContext,
  keys: ReadonlyMap<string, string>,
): SasMacs {
  const macs = [...keys].map(
    ([keyId, key]) => [keyId, secret.mac(method, key, sasMacInfo(context, keyId))] as const,
  );
  return {
    mac: Object.fromEntries(macs),
    keys: secret.mac(method, sasKeyIdList(keys.keys()), sasMacInfo(context, "KEY_IDS")),
  };
}

/**
 * Checks the MACs of the other side against our copies of its keys.
 *
 * @param content the content of its `m.key.verification.mac`, untrusted.
 * @param keyOf our copy of the key of that ID, unpadded base64, or null where we have none: such a key is skipped, as the specification asks.
 * @returns the key IDs that are verified now, perhaps none, and those that were skipped. Device IDs and master keys share one namespace:
 *   look up each ID in one place only, and refuse a device that is named like a key.
 * @throws CryptoError MAC when any MAC differs (cancel with `m.key_mismatch`, nothing is verified), FORMAT, BASE64
 */
export function verifySasMacs(
  provider: CryptoProvider,
  secret: SasSecret,
  method: SasMacMethod,
  context: SasMacContext,
  content: unknown,
  keyOf: (keyId: string) => string | null,
): { readonly verified: readonly string[]; readonly skipped: readonly string[] } {
  const object = requireObject(content, "mac content");
  const macs = objectMember(object, "mac", "mac content");
  const keyIds = Object.keys(macs);
  const check = (found: string, input: string, keyId: string): void => {
    const expected = secret.mac(method, input, sasMacInfo(context, keyId));
    if (!sameMac(provider, method, found, expected)) {
      throw new CryptoError(
        "MAC",
        `SAS: the MAC of ${keyId} differs: another key than ours, or changed on the way`,
      );
    }
  };
  check(stringMember(object, "keys", "mac content"), sasKeyIdList(keyIds), "KEY_IDS");
  const verified: string[] = [];
  const skipped: string[] = [];
  for (const keyId of keyIds) {
    const mac = stringMember(macs, keyId, "mac content.mac");
    const key = keyOf(keyId);
    if (key !== null) check(mac, key, keyId);
    (key === null ? skipped : verified).push(keyId);
  }
  return { verified, skipped };
}

function agree(provider: CryptoProvider, key: X25519KeyPair, theirPublicKey: string): SasSecret {
  const theirs = requireBytes(decodeBase64(theirPublicKey), KEY_BYTES, "SAS public key");
  if (provider.equal(theirs, key.publicKey)) {
    throw new CryptoError("PROTOCOL", "SAS public key: expected the other side's, found our own sent back");
  }
  const shared = key.agree(theirs);
  const bytes = (info: string, length: number): Uint8Array =>
    provider.hkdfSha256(NO_SALT, shared, encodeUtf8(info), length);
  return Object.freeze({
    bytes,
    emoji: (context: SasContext) => sixBitNumbers(bytes(sasInfo(context), 6)),
    decimals: (context: SasContext) => thirteenBitNumbers(bytes(sasInfo(context), 5)),
    mac: (method: SasMacMethod, input: string, info: string): string => {
      const mac = provider.hmacSha256(bytes(info, 32), encodeUtf8(input));
      return method === "hkdf-hmac-sha256" ? encodeInPlace(mac) : encodeBase64(mac);
    },
  });
}

/** The first 42 bits, as seven numbers. */
function sixBitNumbers(bytes: Uint8Array): readonly number[] {
  const bits = bytes.reduce((all, byte) => all * 256 + byte, 0);
  return Array.from({ length: 7 }, (_, i) => Math.floor(bits / 2 ** (42 - 6 * i)) % 64);
}

/** The first 39 bits, as three numbers, plus 1000 each. */
function thirteenBitNumbers(bytes: Uint8Array): readonly [number, number, number] {
  const bits = bytes.reduce((all, byte) => all * 256 + byte, 0);
  const number = (i: number): number => (Math.floor(bits / 2 ** (27 - 13 * i)) % 8192) + 1000;
  return [number(0), number(1), number(2)];
}

/**
 * libolm's base64 of a MAC, encoded in the buffer it is read from: from the second group on, characters already
 * written are read as if they were bytes of the MAC. Frozen as `hkdf-hmac-sha256`.
 */
function encodeInPlace(mac: Uint8Array): string {
  const buffer = new Uint8Array(Math.ceil((mac.length * 4) / 3));
  buffer.set(mac);
  for (let from = 0, to = 0; from < mac.length; from += 3, to += 4) {
    const group = buffer.slice(from, Math.min(from + 3, mac.length));
    buffer.set(encodeUtf8(encodeBase64(group)), to);
  }
  return new TextDecoder().decode(buffer);
}

/** Compares MACs in constant time: as bytes, or as the text that the broken base64 makes of them. */
function sameMac(provider: CryptoProvider, method: SasMacMethod, found: string, expected: string): boolean {
  const bytesOf = method === "hkdf-hmac-sha256" ? encodeUtf8 : decodeBase64;
  return provider.equal(bytesOf(found), bytesOf(expected));
}

function normalKey(text: string): string {
  return encodeBase64(requireBytes(decodeBase64(text), KEY_BYTES, "SAS public key"));
}
