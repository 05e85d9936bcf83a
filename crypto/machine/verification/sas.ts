// Comparing short strings (Client-Server API, "Short Authentication String (SAS) verification"): each step takes a message and gives the next state.
//
//   starter: start ->            <- accept (commitment)   key ->   <- key (checked against the commitment)   mac <->   done <->
import { decodeBase64, encodeBase64 } from "../../base64.ts";
import { CryptoError } from "../../errors.ts";
import {
  checkSasCommitment,
  createSas,
  SAS_MAC_METHODS,
  type Sas,
  type SasContext,
  type SasMacContext,
  type SasSecret,
  sasCommitment,
  sasMacs,
  verifySasMacs,
} from "../../sas.ts";
import { type JsonObject, member, stringMember } from "../../shape.ts";
import { ownKeys } from "../account/device-keys.ts";
import { type Context, ownAccount } from "../context.ts";
import { isUserVerified } from "../devices/trust.ts";
import { finish } from "./finish.ts";
import { say } from "./flow.ts";
import {
  cancelled,
  SAS_METHOD,
  type SasKeys,
  type SasShared,
  type VerificationRow,
  type VerificationState,
} from "./state.ts";

const AGREEMENT = "curve25519-hkdf-sha256";
const HASH = "sha256";
const STRINGS = ["decimal", "emoji"];

type Step<K extends VerificationState["kind"]> = Extract<VerificationState, { readonly kind: K }>;

export function startSas(context: Context, row: VerificationRow): VerificationState {
  const start = say(context, row, "start", {
    from_device: context.deviceId,
    method: SAS_METHOD,
    key_agreement_protocols: [AGREEMENT],
    hashes: [HASH],
    message_authentication_codes: [...SAS_MAC_METHODS],
    short_authentication_string: [...STRINGS],
  });
  return { kind: "sas-start", start, ours: true };
}

/** Of two starts of the same method the one from the smaller user ID counts, between devices of one user the smaller device ID. */
export function isOurStartFirst(context: Context, { userId, deviceId }: VerificationRow): boolean {
  return userId === context.userId ? context.deviceId < (deviceId ?? "") : context.userId < userId;
}

/** Answers their start with a commitment to our key. */
export function acceptSas(context: Context, row: VerificationRow, start: JsonObject): VerificationState {
  const offers = (name: string, value: string): boolean => {
    const offered = member(start, name);
    return Array.isArray(offered) && offered.includes(value);
  };
  const macMethod = SAS_MAC_METHODS.find((method) => offers("message_authentication_codes", method));
  const strings = STRINGS.filter((name) => offers("short_authentication_string", name));
  const known = offers("key_agreement_protocols", AGREEMENT) && offers("hashes", HASH);
  if (!known || macMethod === undefined || !strings.includes("decimal")) {
    return cancelled("m.unknown_method", "No key agreement, hash, MAC or string is known to both.");
  }
  const { sas, secret } = newSas(context);
  say(context, row, "accept", {
    method: SAS_METHOD,
    key_agreement_protocol: AGREEMENT,
    hash: HASH,
    message_authentication_code: macMethod,
    short_authentication_string: strings,
    commitment: sasCommitment(context.provider, sas.publicKey, start),
  });
  return { kind: "sas-accept", start, ours: false, secret, macMethod, strings, commitment: null };
}

/** They committed to their key: now we show ours. @throws CryptoError FORMAT */
export function receiveAccept(
  context: Context,
  row: VerificationRow,
  state: Step<"sas-start">,
  content: JsonObject,
): VerificationState {
  const what = "m.key.verification.accept";
  const macName = stringMember(content, "message_authentication_code", what);
  const macMethod = SAS_MAC_METHODS.find((method) => method === macName);
  const chosen = member(content, "short_authentication_string");
  const strings = STRINGS.filter((name) => Array.isArray(chosen) && chosen.includes(name));
  const known =
    stringMember(content, "key_agreement_protocol", what) === AGREEMENT &&
    stringMember(content, "hash", what) === HASH;
  if (!known || macMethod === undefined || strings.length === 0) {
    return cancelled("m.unknown_method", "What was accepted is not what was offered.");
  }
  const commitment = stringMember(content, "commitment", what);
  const { sas, secret } = newSas(context);
  say(context, row, "key", { key: sas.publicKey });
  const { start, ours } = state;
  return { kind: "sas-accept", start, ours, secret, macMethod, strings, commitment };
}

/** Their key: the strings can be compared. @throws CryptoError for a key that is none */
export function receiveKey(
  context: Context,
  row: VerificationRow,
  state: Step<"sas-accept">,
  content: JsonObject,
): VerificationState {
  const theirKey = stringMember(content, "key", "m.key.verification.key");
  const { kind: _, commitment, ...keys } = state;
  const sas = openSas(context, keys);
  // Also that it is a key, and not ours sent back.
  sas.agree(theirKey);
  if (commitment === null) {
    say(context, row, "key", { key: sas.publicKey });
  } else if (!checkSasCommitment(context.provider, commitment, theirKey, keys.start)) {
    return cancelled("m.mismatched_commitment", "The key is not the one that was committed to.");
  }
  return { kind: "sas-compare", ...keys, theirKey, theirMac: null };
}

/** A person says that the strings are the same. */
export function confirmSas(
  context: Context,
  row: VerificationRow,
  state: Step<"sas-compare">,
): VerificationState {
  const { kind: _, theirMac, ...shared } = state;
  const { secret } = sharedSecret(context, row, shared);
  const own = { userId: context.userId, deviceId: context.deviceId };
  const macs = sasMacs(secret, shared.macMethod, macContext(row, own, theirsOf(row)), ourKeys(context));
  say(context, row, "mac", { ...macs });
  const next = { kind: "sas-mac", ...shared } as const;
  return theirMac === null ? next : receiveMac(context, row, next, theirMac);
}

/** Their MACs over their keys: what we know of them must be the same. */
export function receiveMac(
  context: Context,
  row: VerificationRow,
  state: Step<"sas-mac">,
  content: JsonObject,
): VerificationState {
  const { secret } = sharedSecret(context, row, state);
  const own = { userId: context.userId, deviceId: context.deviceId };
  const device = context.rows.get("device", row.userId, row.deviceId ?? "");
  const master = context.rows.get("identity", "", row.userId)?.master ?? null;
  const deviceKeyId = `ed25519:${row.deviceId}`;
  const keyOf = (keyId: string): string | null => {
    if (keyId === deviceKeyId) return device?.ed25519 ?? null;
    return master !== null && keyId === `ed25519:${master}` ? master : null;
  };
  try {
    const { verified } = verifySasMacs(
      context.provider,
      secret,
      state.macMethod,
      macContext(row, theirsOf(row), own),
      content,
      keyOf,
    );
    if (device === null || !verified.includes(deviceKeyId)) {
      return cancelled("m.key_mismatch", "The device's own key was not among those verified.");
    }
    return finish(context, row, {
      master: master !== null && verified.includes(`ed25519:${master}`) ? master : null,
      device,
    });
  } catch (error) {
    if (!(error instanceof CryptoError) || error.code !== "MAC") throw error;
    return cancelled("m.key_mismatch", "A key is not the one that the other side has.");
  }
}

/** What both people should see. */
export function sasStrings(
  context: Context,
  row: VerificationRow,
  state: SasShared,
): { readonly emoji: readonly number[] | null; readonly decimals: readonly [number, number, number] } {
  const { secret, parties } = sharedSecret(context, row, state);
  return {
    emoji: state.strings.includes("emoji") ? secret.emoji(parties) : null,
    decimals: secret.decimals(parties),
  };
}

/** The keys that we vouch for: our device's, and our master key where we know it to be ours. */
function ourKeys(context: Context): ReadonlyMap<string, string> {
  const keys = new Map([[`ed25519:${context.deviceId}`, ownKeys(ownAccount(context)).ed25519]]);
  const master = context.rows.get("identity", "", context.userId)?.master;
  if (master !== undefined && isUserVerified(context, context.userId)) keys.set(`ed25519:${master}`, master);
  return keys;
}

function newSas(context: Context): { readonly sas: Sas; readonly secret: string } {
  const pair = context.provider.generateX25519();
  const bytes = pair.exportSecret();
  const secret = encodeBase64(bytes);
  bytes.fill(0);
  return { sas: createSas(context.provider, pair), secret };
}

function openSas({ provider }: Context, { secret }: SasKeys): Sas {
  const bytes = decodeBase64(secret);
  const sas = createSas(provider, provider.importX25519(bytes));
  bytes.fill(0);
  return sas;
}

function sharedSecret(
  context: Context,
  row: VerificationRow,
  state: SasShared,
): { readonly secret: SasSecret; readonly parties: SasContext } {
  const sas = openSas(context, state);
  const us = { userId: context.userId, deviceId: context.deviceId, publicKey: sas.publicKey };
  const them = { ...theirsOf(row), publicKey: state.theirKey };
  const [starter, accepter] = state.ours ? [us, them] : [them, us];
  return { secret: sas.agree(state.theirKey), parties: { starter, accepter, transactionId: row.flowId } };
}

type Party = SasMacContext["sender"];

function theirsOf({ userId, deviceId }: VerificationRow): Party {
  return { userId, deviceId: deviceId ?? "" };
}

function macContext({ flowId }: VerificationRow, sender: Party, receiver: Party): SasMacContext {
  return { sender, receiver, transactionId: flowId };
}
