// An identity of our own (Client-Server API, POST /keys/device_signing/upload): made once, stored before it is sent, the same keys until the server took
// them. One that the server has is never overwritten, unless a person said so: its private keys come from secret storage or from another device.
import { addRequest, type Context, endRequest, requestsUnderWay } from "../context.ts";
import { markDirty } from "../devices/tracking.ts";
import { errorCode, isFinal, type Refusal } from "../refusals.ts";
import type { Answer } from "../requests.ts";
import type { CrossSigningRow } from "../store/identity-rows.ts";
import type { RequestRow } from "../store/store.ts";
import { readChallenge } from "./authentication.ts";
import { forgetKeys, KEY_USAGES, makeKeys, privateKey, publicKeyOf, uploadBody } from "./keys.ts";

const PATH = "/_matrix/client/v3/keys/device_signing/upload";

const NOTHING: CrossSigningRow = {
  wanted: false,
  made: null,
  replaces: null,
  challenge: null,
  refusal: null,
  shown: false,
  asksForSecrets: false,
  signNotBeforeMs: 0,
};

export function crossSigningRow({ rows }: Context): CrossSigningRow {
  return rows.get("crossSigning", "", "") ?? NOTHING;
}

export function updateCrossSigning(context: Context, changes: Partial<CrossSigningRow>): void {
  context.rows.put("crossSigning", "", "", { ...crossSigningRow(context), ...changes });
}

/** Whether the server has not said yet which keys our user has. */
export function isOwnIdentityUnknown({ rows, userId }: Context): boolean {
  return rows.get("tracked", "", userId) === null || rows.get("dirty", "", userId) !== null;
}

/** The server's word that our user has cross-signing keys, whether they hold or not: then none are made without being told to. */
export function noteOwnIdentityShown(context: Context): void {
  if (!crossSigningRow(context).shown) updateCrossSigning(context, { shown: true });
}

/** Wants an identity. Made as soon as the server has said that there is none, or now, where the one that is there is to be replaced. */
export function wantIdentity(context: Context, replace: boolean): void {
  const row = crossSigningRow(context);
  updateCrossSigning(context, { wanted: true, refusal: null, challenge: null });
  if (!replace) return;
  for (const { id } of requestsUnderWay(context, "cross-signing-upload")) {
    endRequest(context, { id, kind: "cross-signing-upload" });
  }
  const made = row.made ?? makeKeys(context);
  const replaces = context.rows.get("identity", "", context.userId)?.master ?? "";
  updateCrossSigning(context, { made, replaces });
}

/** Makes the upload that is due, if one is. */
export function prepareIdentity(context: Context): void {
  const row = crossSigningRow(context);
  if (!row.wanted || row.refusal !== null || isOwnIdentityUnknown(context)) return;
  if (requestsUnderWay(context, "cross-signing-upload").length > 0) return;
  const shown = context.rows.get("identity", "", context.userId)?.master ?? null;
  if (row.made === null) {
    if (shown !== null || row.shown) return;
    updateCrossSigning(context, { made: makeKeys(context) });
  } else if (row.replaces === null && (shown ?? row.made) !== row.made) {
    forgetMade(context);
    return;
  }
  addUpload(context);
}

/** Another device was first. What we made was never shown to anybody. */
function forgetMade(context: Context): void {
  forgetKeys(context);
  updateCrossSigning(context, { made: null, challenge: null });
  context.notify({ kind: "identity-made-elsewhere" });
}

function addUpload(context: Context): void {
  const body = uploadBody(context);
  if (body === null) return;
  const { challenge } = crossSigningRow(context);
  const request = { kind: "cross-signing-upload", method: "POST", path: PATH, body } as const;
  addRequest(context, () => (challenge === null ? request : { ...request, challenge }), {});
}

export function answerIdentityUpload(context: Context, { request }: RequestRow, answer: Answer): void {
  if (answer.ok) {
    identityTaken(context);
    return;
  }
  const challenge = readChallenge(answer.status, answer.body);
  if (challenge !== null) {
    endRequest(context, request);
    const wrong = request.challenge !== undefined && errorCode(answer.body) !== "";
    updateCrossSigning(context, { challenge, refusal: wrong ? errorText(answer) : null });
    if (wrong) context.notify({ kind: "cross-signing-refused", error: errorText(answer) });
    // Before anybody proves who they are: what is it that would be replaced?
    markDirty(context, context.userId);
  } else if (isFinal(answer)) {
    updateCrossSigning(context, { refusal: errorText(answer) });
    context.notify({ kind: "cross-signing-refused", error: errorText(answer) });
  }
}

/** The server has our keys: from now on they are our user's identity, confirmed, as we hold its private keys. */
function identityTaken(context: Context): void {
  const [master, selfSigning, userSigning] = KEY_USAGES.map((usage) => {
    const key = privateKey(context, usage);
    return key === null ? null : publicKeyOf(key);
  });
  updateCrossSigning(context, { wanted: false, made: null, replaces: null, challenge: null, refusal: null });
  markDirty(context, context.userId);
  if (!master) return;
  context.rows.put("identity", "", context.userId, {
    master,
    selfSigning: selfSigning ?? null,
    userSigning: userSigning ?? null,
    pinned: master,
    previouslyVerified: false,
    confirmed: master,
    signedBy: null,
  });
}

/** A status and a code; the server's own words are left out. */
export function errorText({ status, body }: Refusal): string {
  return `${status} ${errorCode(body)}`.trimEnd();
}
