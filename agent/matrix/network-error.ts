// What went wrong below Matrix (DNS, TCP, TLS, HTTP framing), as one line for whoever runs the device: what, where, what to do.
import { MatrixError } from "./types.ts";

const PATH_MAX = 120;

/** `PUT https://hs.example/_matrix/...`: never the query, never a header. */
export const describeTarget = (method: string, url: URL): string => {
  const path = url.pathname.length > PATH_MAX ? `${url.pathname.slice(0, PATH_MAX)}...` : url.pathname;
  return `${method} ${url.origin}${path}`;
};

const UNKNOWN_AUTHORITY =
  "the certificate is not signed by an authority known here: have the server send its whole chain, or give its authority's certificate in the config";
const UNREACHABLE = "the network cannot be reached: is the link up?";
const CUT = "the connection was cut before the answer was complete";
const NO_TLS = "no TLS is spoken on this port: is it http:// instead of https://, or another port?";

const REASONS: ReadonlyMap<string, string> = new Map([
  ["ECONNREFUSED", "connection refused: is the homeserver running, and is this its port?"],
  ["ENOTFOUND", "this name is not known to DNS: check how the homeserver is spelt"],
  ["EAI_AGAIN", "DNS does not answer: is the network up?"],
  ["ETIMEDOUT", "the server does not answer: is it up, and does a firewall stand in between?"],
  ["EHOSTUNREACH", UNREACHABLE],
  ["ENETUNREACH", UNREACHABLE],
  ["ENETDOWN", UNREACHABLE],
  ["ECONNRESET", CUT],
  ["EPIPE", CUT],
  [
    "CERT_HAS_EXPIRED",
    "the certificate has expired: have it renewed on the server (or set this device's clock)",
  ],
  ["CERT_NOT_YET_VALID", "the certificate is not valid yet: this device's clock is probably not set"],
  ["ERR_TLS_CERT_ALTNAME_INVALID", "the certificate is for another name: check the homeserver's address"],
  ["DEPTH_ZERO_SELF_SIGNED_CERT", UNKNOWN_AUTHORITY],
  ["SELF_SIGNED_CERT_IN_CHAIN", UNKNOWN_AUTHORITY],
  ["UNABLE_TO_VERIFY_LEAF_SIGNATURE", UNKNOWN_AUTHORITY],
  ["UNABLE_TO_GET_ISSUER_CERT", UNKNOWN_AUTHORITY],
  ["UNABLE_TO_GET_ISSUER_CERT_LOCALLY", UNKNOWN_AUTHORITY],
  ["EPROTO", NO_TLS],
]);

const codeOf = (cause: unknown): string | null =>
  typeof cause === "object" && cause !== null && "code" in cause && typeof cause.code === "string"
    ? cause.code
    : null;

const reasonOf = (code: string | null): string => {
  if (code === null) return "the connection failed";
  const known = REASONS.get(code);
  if (known !== undefined) return `${known} (${code})`;
  if (code.startsWith("HPE_"))
    return `what answers there does not speak HTTP: is it the right port? (${code})`;
  if (code.startsWith("ERR_SSL_")) return `${NO_TLS} (${code})`;
  if (code.startsWith("Z_")) return `the answer is compressed and broken (${code})`;
  return `the connection failed (${code})`;
};

/** `connected`: there was a connection to write to, so the server may have acted. */
export const networkError = (
  request: { readonly method: string; readonly url: URL },
  cause: unknown,
  connected: boolean,
): MatrixError =>
  new MatrixError("network", `${describeTarget(request.method, request.url)}: ${reasonOf(codeOf(cause))}`, {
    inDoubt: connected,
    cause,
  });
