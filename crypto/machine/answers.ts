// Answers of the server, given back to who made the request. One that is refused for good ends here, too (refusals.ts); after anything else the
// request stays as it is, and when to send it again is the caller's.

import { isJsonObject } from "../shape.ts";
import { answerUpload } from "./account/upload.ts";
import { answerBackupUpload } from "./backup/upload.ts";
import { answerCreate, answerVersion } from "./backup/version.ts";
import type { Context } from "./context.ts";
import { answerSignatures } from "./cross-signing/sign.ts";
import { answerIdentityUpload } from "./cross-signing/upload.ts";
import { answerQuery, queryRefused } from "./devices/query.ts";
import { answerChanges } from "./devices/tracking.ts";
import { MachineError } from "./errors.ts";
import { answerClaim, claimRefused } from "./olm/claim.ts";
import { toDeviceRefused } from "./olm/refused.ts";
import { isFinal } from "./refusals.ts";
import type { Answer } from "./requests.ts";
import { accountDataRefused, answerAccountDataGet } from "./secrets/storage.ts";
import type { RequestRow } from "./store/store.ts";
import { requestSent } from "./verification/request.ts";

/** @throws MachineError UNKNOWN_REQUEST */
export function takeAnswer(context: Context, requestId: string, answer: Answer): void {
  const row = context.rows.get("request", "", requestId);
  if (row === null) {
    throw new MachineError(
      "UNKNOWN_REQUEST",
      `encryption machine: no request ${requestId} is under way; answer each request of outgoingRequests once`,
    );
  }
  if (answer.ok || isFinal(answer)) context.rows.delete("request", "", requestId);
  dispatch(context, row, answer);
}

function dispatch(context: Context, row: RequestRow, answer: Answer): void {
  const refused = !answer.ok && isFinal(answer);
  switch (row.request.kind) {
    case "keys-upload":
      answerUpload(context, row, answer);
      return;
    case "keys-query":
      if (answer.ok) answerQuery(context, row, answer.body);
      else if (refused) queryRefused(context, row, answer);
      return;
    case "keys-changes":
      answerChanges(context, row.request, answer);
      return;
    case "keys-claim":
      if (answer.ok) answerClaim(context, row, answer.body);
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
