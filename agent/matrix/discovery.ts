// From what an operator writes (a server name or a base URL) to the address of the Client-Server API (Client-Server API, "Server discovery"),
// redirects followed (MSC4402), and what that server says it can do (`/versions`).
import { cleaned } from "./answer.ts";
import { callJson } from "./call.ts";
import type { Http, HttpAnswer } from "./http.ts";
import { asString, field, isObject, objectAt, parseJson, stringsOf } from "./json.ts";
import { REDIRECTS_MAX, WELL_KNOWN_BYTES_MAX } from "./limits.ts";
import { type JsonObject, MatrixError } from "./types.ts";

export interface Versions {
  readonly versions: readonly string[];
  readonly unstable: Readonly<Record<string, boolean>>;
}

const refused = (text: string, status?: number): MatrixError =>
  new MatrixError("refused", text, status === undefined ? {} : { status });

/** The URL without a slash at its end, or null when it is none that can be used. */
export const parseBaseUrl = (text: string): string | null => {
  if (!URL.canParse(text)) return null;
  const url = new URL(text);
  const usable =
    (url.protocol === "https:" || url.protocol === "http:") && url.username === "" && url.password === "";
  return usable ? `${url.origin}${url.pathname}`.replace(/\/+$/, "") : null;
};

// An operator may give the address itself, which settles everything.
const givenDirectly = (homeserver: string): boolean => /^https?:\/\//i.test(homeserver);

const redirectOf = (answer: HttpAnswer, from: URL): URL => {
  const location = answer.header("location") ?? "";
  const to = URL.canParse(location, from.href) ? new URL(location, from.href) : null;
  if (to?.protocol !== "https:")
    throw refused(
      `${from.href}: redirects to "${cleaned(location, [])}", expected an https:// address; give the homeserver's base URL in the config instead`,
      answer.status,
    );
  return to;
};

const fetchWellKnown = async (http: Http, serverName: string): Promise<HttpAnswer> => {
  let url = new URL(`https://${serverName}/.well-known/matrix/client`);
  for (let hop = 0; hop <= REDIRECTS_MAX; hop += 1) {
    const answer = await http.exchange({ method: "GET", url, bytesMax: WELL_KNOWN_BYTES_MAX });
    if (answer.status < 300 || answer.status > 399) return answer;
    url = redirectOf(answer, url);
  }
  throw refused(
    `${url.href}: more than ${REDIRECTS_MAX} redirects; give the homeserver's base URL in the config`,
  );
};

// "IGNORE" and "FAIL_PROMPT" of the specification: absent means the server name is the address, anything else odd is an error.
const baseUrlOf = (answer: HttpAnswer, serverName: string): string => {
  const place = `https://${serverName}/.well-known/matrix/client`;
  const help = `have it mended by whoever runs ${serverName}, or give the homeserver's base URL in the config`;
  if (answer.status === 404) return `https://${serverName}`;
  if (answer.status !== 200)
    throw refused(`${place}: expected status 200 or 404, got ${answer.status}: ${help}`, answer.status);
  const body = parseJson(answer.body.toString("utf8"));
  if (!isObject(body)) throw refused(`${place}: expected a JSON object, got something else: ${help}`, 200);
  const baseUrl = parseBaseUrl(asString(field(objectAt(body, "m.homeserver"), "base_url")) ?? "");
  if (baseUrl === null)
    throw refused(`${place}: expected an http(s) URL in m.homeserver.base_url: ${help}`, 200);
  return baseUrl;
};

const unknownServerName = (homeserver: string): MatrixError =>
  new MatrixError(
    "local",
    `homeserver: expected a server name ("example.org") or a base URL ("https://matrix.example.org"), got "${cleaned(homeserver, [])}"`,
  );

export const parseVersions = (body: JsonObject): Versions => ({
  versions: stringsOf(field(body, "versions")),
  unstable: Object.fromEntries(
    Object.entries(objectAt(body, "unstable_features")).filter(
      (entry): entry is [string, boolean] => typeof entry[1] === "boolean",
    ),
  ),
});

/** What the server at `baseUrl` says it can do, asked without a token. Rejects when what answers is no homeserver. */
export const fetchVersions = async (http: Http, baseUrl: string): Promise<Versions> => {
  const found = parseVersions(await callJson(http, baseUrl, "GET", "/_matrix/client/versions"));
  if (found.versions.length > 0) return found;
  throw refused(`${baseUrl}: answers, but not as a Matrix homeserver (no "versions"): is this its address?`);
};

/** The base URL behind `homeserver`, without a slash at its end, proven to answer as a homeserver. */
export const discover = async (http: Http, homeserver: string): Promise<string> => {
  const direct = parseBaseUrl(homeserver);
  if (givenDirectly(homeserver)) {
    if (direct === null) throw unknownServerName(homeserver);
    await fetchVersions(http, direct);
    return direct;
  }
  // The whole server name, port included, as other clients ask: the specification's "hostname" would send a server on another port to 443.
  if (!/^[\w.:[\]-]+$/.test(homeserver) || parseBaseUrl(`https://${homeserver}`) === null)
    throw unknownServerName(homeserver);
  const baseUrl = baseUrlOf(await fetchWellKnown(http, homeserver), homeserver);
  await fetchVersions(http, baseUrl);
  return baseUrl;
};
