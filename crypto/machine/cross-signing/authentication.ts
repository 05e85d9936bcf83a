// What a server asks before it replaces cross-signing keys (Client-Server API, "User-Interactive Authentication API"): its 401 read as data, and the
// answer with a password. For the calling program, which has the password; the machine never sees one.
import { isJsonObject, type JsonObject, member } from "../../shape.ts";

const PASSWORD = "m.login.password";

/** The body of a 401 that asks for authentication; null where it is another refusal (a token that is not known). */
export function readChallenge(status: number | null, body: unknown): JsonObject | null {
  return status === 401 && isJsonObject(body) && Array.isArray(member(body, "flows")) ? body : null;
}

/** The ways that a server leaves open, each a list of stages. */
export function challengeFlows(challenge: JsonObject): readonly (readonly string[])[] {
  const flows = member(challenge, "flows");
  return (Array.isArray(flows) ? flows : []).flatMap((flow: unknown) => {
    const stages = isJsonObject(flow) ? member(flow, "stages") : undefined;
    return Array.isArray(stages) ? [stages.filter((stage: unknown) => typeof stage === "string")] : [];
  });
}

/** Where a person approves in a browser, if the server says so (MSC4312, and its unstable name): then the request is sent again with the session alone. */
export function approvalUrl(challenge: JsonObject): string | null {
  const params = member(challenge, "params");
  for (const stage of ["m.oauth", "org.matrix.cross_signing_reset"]) {
    const of = isJsonObject(params) ? member(params, stage) : undefined;
    const url = isJsonObject(of) ? member(of, "url") : undefined;
    if (typeof url === "string" && /^https?:\/\//.test(url)) return url;
  }
  return null;
}

/** `auth` for a challenge that a password answers; null where no flow consists of that alone. */
export function passwordAuth(
  challenge: JsonObject,
  credentials: { readonly userId: string; readonly password: string },
): JsonObject | null {
  if (!challengeFlows(challenge).some(([first, ...more]) => first === PASSWORD && more.length === 0))
    return null;
  return {
    type: PASSWORD,
    identifier: { type: "m.id.user", user: credentials.userId },
    password: credentials.password,
    ...sessionOf(challenge),
  };
}

/** `auth` once a person has approved elsewhere. */
export function approvedAuth(challenge: JsonObject): JsonObject {
  return sessionOf(challenge);
}

function sessionOf(challenge: JsonObject): JsonObject {
  const session = member(challenge, "session");
  return typeof session === "string" ? { session } : {};
}
