// Answers of the server, given back to who made the request. One that is refused for good ends here, too (refusals.ts); after anything else the
// request stays as it is, and when to send it again is the caller's.
//
// An answer about many devices is taken in parts, each a call (and a transaction) of its own, between which the loop turns. The request stays under way until
// the last one: whoever dies in between asks again, and what was taken by then is taken once more without effect.

import { isJsonObject } from "../shape.ts";
import { answerUpload } from "./account/upload.ts";
import { answerBackupUpload } from "./backup/upload.ts";
import { answerCreate, answerVersion } from "./backup/version.ts";
import { type Context, endRequest } from "./context.ts";
import { answerSignatures } from "./cross-signing/sign.ts";
import { answerIdentityUpload } from "./cross-signing/upload.ts";
import { answerQuery, queryParts, queryRefused } from "./devices/query.ts";
import { answerChanges } from "./devices/tracking.ts";
import { MachineError } from "./errors.ts";
import { answerClaim, claimParts, claimRefused } from "./olm/claim.ts";
import { toDeviceRefused } from "./olm/refused.ts";
import { isFinal } from "./refusals.ts";
import type { Answer } from "./requests.ts";
import { accountDataRefused, answerAccountDataGet } from "./secrets/storage.ts";
import type { RequestRow } from "./store/store.ts";
import { requestSent } from "./verification/request.ts";

/** Takes an answer as a whole. @throws MachineError UNKNOWN_REQUEST */
export function takeAnswer(context: Context, requestId: string, answer: Answer): void {
  let part: number | null = 0;
  while (part !== null) part = takeAnswerPart(context, requestId, answer, part);
}

/** Takes one part of an answer, from 0; the number of the next one, or null after the last. @throws MachineError UNKNOWN_REQUEST */
export function takeAnswerPart(
  context: Context,
  requestId: string,
  answer: Answer,
  part: number,
): number | null {
  const row = context.rows.get("request", "", requestId);
  if (row === null) {
    throw new MachineError(
      "UNKNOWN_REQUEST",
      `encryption machine: no request ${requestId} is under way; answer each request of outgoingRequests once`,
    );
  }
  const parts = partsOf(row, answer);
  if (part + 1 < parts) {
    takePart(context, row, answer.body, part);
    return part + 1;
  }
  if (answer.ok || isFinal(answer)) endRequest(context, row.request);
  dispatch(context, row, answer, part);
  return null;
}

function partsOf({ detail, request }: RequestRow, answer: Answer): number {
  if (!answer.ok) return 1;
  if (request.kind === "keys-query") return queryParts(detail, answer.body).length;
  return request.kind === "keys-claim" ? claimParts(detail) : 1;
}

function takePart(context: Context, row: RequestRow, body: unknown, part: number): void {
  if (row.request.kind === "keys-query") answerQuery(context, row, body, part);
  else answerClaim(context, row, body, part);
}

function dispatch(context: Context, row: RequestRow, answer: Answer, part: number): void {
  const refused = !answer.ok && isFinal(answer);
  switch (row.request.kind) {
    case "keys-upload":
      answerUpload(context, row, answer);
      return;
    case "keys-query":
      if (answer.ok) answerQuery(context, row, answer.body, part);
      else if (refused) queryRefused(context, row, answer);
      return;
    case "keys-changes":
      answerChanges(context, row.request, answer);
      return;
    case "keys-claim":
      if (answer.ok) answerClaim(context, row, answer.body, part);
      else if (refused) claimRefused(context, row, answer);
      return;
    case "cross-signing-upload":
      answerIdentityUpload(context, row, answer);
      return;
    case "signatures-upload":
      answerSignatures(context, row, answer);
      return;
    case "room-event":
      if (answer.ok && isJsonObject(answer.body))
        requestSent(context, row.detail["verification"], answer.body);
      return;
    case "account-data-get":
      answerAccountDataGet(context, row, answer);
      return;
    case "account-data-put":
      accountDataRefused(context, row, answer);
      return;
    case "backup-version":
      answerVersion(context, answer);
      return;
    case "backup-create":
      answerCreate(context, answer);
      return;
    case "backup-upload":
      answerBackupUpload(context, row, answer);
      return;
    case "to-device":
      if (refused) toDeviceRefused(context, row, answer);
  }
}
