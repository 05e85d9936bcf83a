// Which requests are under way, and where new ones come from: whatever is due is made here, each kind by the module that knows when.
import { forgetOldFallback } from "./account/fallback.ts";
import { prepareUpload } from "./account/upload.ts";
import { prepareBackupUpload } from "./backup/upload.ts";
import { prepareVersion } from "./backup/version.ts";
import { type Context, requestsUnderWay } from "./context.ts";
import { prepareSignatures } from "./cross-signing/sign.ts";
import { prepareIdentity } from "./cross-signing/upload.ts";
import { prepareQueries } from "./devices/query.ts";
import { answerKeyRequests } from "./forwarding/answer.ts";
import { askForKeys } from "./forwarding/ask.ts";
import { claimFor } from "./olm/claim.ts";
import { wedgedDevices } from "./olm/unwedge.ts";
import { REQUEST_KINDS, type Request, type RequestHead } from "./requests.ts";
import { forgetReplays } from "./rooms/replay.ts";
import { answerSecretRequests, askForSecrets } from "./secrets/gossip.ts";
import { expireVerifications } from "./verification/flow.ts";

export function outgoingRequests(context: Context): readonly Request[] {
  prepareRequests(context);
  return context.rows.list("request", "").map(({ row }) => row.request);
}

export function outgoingHeads(context: Context): readonly RequestHead[] {
  prepareRequests(context);
  return REQUEST_KINDS.flatMap((kind) =>
    requestsUnderWay(context, kind).map(({ id }) => ({ id, kind })),
  ).sort((a, b) => (a.id < b.id ? -1 : 1));
}

function prepareRequests(context: Context): void {
  forgetOldFallback(context);
  expireVerifications(context);
  forgetReplays(context);
  prepareUpload(context);
  prepareIdentity(context);
  prepareSignatures(context);
  prepareVersion(context);
  prepareBackupUpload(context);
  askForSecrets(context);
  answerSecretRequests(context);
  askForKeys(context);
  answerKeyRequests(context);
  prepareQueries(context);
  claimFor(context, wedgedDevices(context));
}
