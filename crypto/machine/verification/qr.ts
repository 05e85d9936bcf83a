// Verification by QR code (Client-Server API, "QR codes"): our code is shown and scanned over there, or theirs is given to us as bytes.
// Who scanned says so with `m.reciprocate.v1` and the code's secret; who showed it confirms; then both are done.
import { decodeBase64, encodeBase64 } from "../../base64.ts";
import {
  encodeQrVerification,
  generateQrSecret,
  parseQrVerification,
  type QrVerification,
} from "../../qr.ts";
import { type JsonObject, stringMember } from "../../shape.ts";
import { ownKeys } from "../account/device-keys.ts";
import { type Context, ownAccount } from "../context.ts";
import { isUserVerified } from "../devices/trust.ts";
import { type Compared, finish } from "./finish.ts";
import { say } from "./flow.ts";
import {
  cancelled,
  type QrTarget,
  RECIPROCATE_METHOD,
  SCAN_METHOD,
  SHOW_METHOD,
  type VerificationRow,
  type VerificationState,
} from "./state.ts";

type Ready = Extract<VerificationState, { readonly kind: "ready" }>;
type Scanned = Extract<VerificationState, { readonly kind: "qr-scanned" }>;

/** Whether the other side can scan what we show. */
export function canShow({ theirMethods }: VerificationRow): boolean {
  return theirMethods.includes(SCAN_METHOD) && theirMethods.includes(RECIPROCATE_METHOD);
}

/** Whether we said that we scan, and they show. */
export function canScan({ ourMethods, theirMethods }: VerificationRow): boolean {
  return ourMethods.includes(SCAN_METHOD) && theirMethods.includes(SHOW_METHOD);
}

/** The keys on both sides that a code is about. */
interface Known {
  readonly ourMaster: string | null;
  readonly ourDevice: string;
  readonly theirMaster: string | null;
  readonly theirDevice: string | null;
  readonly weTrustMaster: boolean;
}

function knownKeys(context: Context, { userId, deviceId }: VerificationRow): Known {
  return {
    ourMaster: context.rows.get("identity", "", context.userId)?.master ?? null,
    ourDevice: ownKeys(ownAccount(context)).ed25519,
    theirMaster: context.rows.get("identity", "", userId)?.master ?? null,
    theirDevice: context.rows.get("device", userId, deviceId ?? "")?.ed25519 ?? null,
    weTrustMaster: isUserVerified(context, context.userId),
  };
}

/** Our code, its secret made once; null where keys that it must hold are not known. */
export function showQr(
  context: Context,
  row: VerificationRow,
  state: Ready,
): { readonly bytes: Uint8Array; readonly state: Ready } | null {
  const secret = state.qr === null ? generateQrSecret(context.provider) : decodeBase64(state.qr.secret);
  const made = makeCode(context, row, secret);
  if (made === null) return null;
  const qr = { ...made.target, secret: encodeBase64(secret) };
  return { bytes: encodeQrVerification(made.code), state: { kind: "ready", qr } };
}

function makeCode(
  context: Context,
  row: VerificationRow,
  secret: Uint8Array,
): { readonly code: QrVerification; readonly target: QrTarget } | null {
  const { ourMaster, ourDevice, theirMaster, theirDevice, weTrustMaster } = knownKeys(context, row);
  const common = { flowId: row.flowId, secret };
  if (ourMaster === null) return null;
  if (row.userId !== context.userId) {
    // Only a master key that is known to be ours may stand in a code of ours.
    if (theirMaster === null || !weTrustMaster) return null;
    const keys = { ownMasterKey: decodeBase64(ourMaster), theirMasterKey: decodeBase64(theirMaster) };
    const trusts = { kind: "master", key: theirMaster } as const;
    return {
      code: { mode: "other_user", ...common, ...keys },
      target: { mode: "other_user", trusts },
    };
  }
  const masterKey = decodeBase64(ourMaster);
  if (!weTrustMaster) {
    const trusts = { kind: "master", key: ourMaster } as const;
    return {
      code: { mode: "self_untrusting", ...common, ownDeviceKey: decodeBase64(ourDevice), masterKey },
      target: { mode: "self_untrusting", trusts },
    };
  }
  if (theirDevice === null) return null;
  const trusts = { kind: "device", key: theirDevice } as const;
  return {
    code: { mode: "self_trusting", ...common, masterKey, otherDeviceKey: decodeBase64(theirDevice) },
    target: { mode: "self_trusting", trusts },
  };
}

/** They scanned our code, if they know its secret. @throws CryptoError FORMAT, BASE64 */
export function receiveReciprocate(context: Context, state: Ready, content: JsonObject): VerificationState {
  if (state.qr === null) return cancelled("m.unexpected_message", "No code was shown.");
  const secret = decodeBase64(stringMember(content, "secret", "m.key.verification.start"));
  if (!context.provider.equal(secret, decodeBase64(state.qr.secret))) {
    return cancelled("m.key_mismatch", "The secret is not that of the code that was shown.");
  }
  const { secret: _, ...target } = state.qr;
  return { kind: "qr-scanned", target, theirDone: false };
}

/** A person says that the other device shows success. */
export function confirmScanned(
  context: Context,
  row: VerificationRow,
  { target, theirDone }: Scanned,
): VerificationState {
  const next = finishQr(context, row, target);
  if (next.kind !== "finishing" || !theirDone) return next;
  return { kind: "done", verified: next.verified };
}

/** The bytes of their code: each key in it must be the one that we know. @throws CryptoError for what is no code */
export function scanQr(context: Context, row: VerificationRow, bytes: Uint8Array): VerificationState {
  const code = parseQrVerification(bytes);
  const target = code.flowId === row.flowId ? readTarget(context, row, code) : null;
  if (target === null) return cancelled("m.key_mismatch", "The code holds other keys than those known here.");
  say(context, row, "start", {
    from_device: context.deviceId,
    method: RECIPROCATE_METHOD,
    secret: encodeBase64(code.secret),
  });
  return { kind: "qr-reciprocated", target };
}

/** What scanning this code makes us trust; null where a key in it is not ours to confirm. */
function readTarget(context: Context, row: VerificationRow, code: QrVerification): QrTarget | null {
  const known = knownKeys(context, row);
  const own = row.userId === context.userId;
  const same = (key: string | null, bytes: Uint8Array): key is string =>
    key !== null && context.provider.equal(decodeBase64(key), bytes);
  switch (code.mode) {
    case "other_user": {
      const { ourMaster, theirMaster } = known;
      if (own || !same(theirMaster, code.ownMasterKey) || !same(ourMaster, code.theirMasterKey)) return null;
      return { mode: code.mode, trusts: { kind: "master", key: theirMaster } };
    }
    case "self_trusting": {
      const { ourMaster, ourDevice } = known;
      if (!own || !same(ourMaster, code.masterKey) || !same(ourDevice, code.otherDeviceKey)) return null;
      return { mode: code.mode, trusts: { kind: "master", key: ourMaster } };
    }
    case "self_untrusting": {
      const { ourMaster, theirDevice, weTrustMaster } = known;
      if (
        !own ||
        !weTrustMaster ||
        !same(theirDevice, code.ownDeviceKey) ||
        !same(ourMaster, code.masterKey)
      ) {
        return null;
      }
      return { mode: code.mode, trusts: { kind: "device", key: theirDevice } };
    }
  }
}

/** Trusts what the code was about, if it is still what is known. */
export function finishQr(context: Context, row: VerificationRow, { trusts }: QrTarget): VerificationState {
  const { theirMaster, theirDevice } = knownKeys(context, row);
  const now = trusts.kind === "master" ? theirMaster : theirDevice;
  if (now !== trusts.key) return cancelled("m.key_mismatch", "The keys changed meanwhile.");
  const device = context.rows.get("device", row.userId, row.deviceId ?? "");
  const compared: Compared =
    trusts.kind === "master" ? { master: trusts.key, device: null } : { master: null, device };
  return finish(context, row, compared);
}
