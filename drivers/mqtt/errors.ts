// What can go wrong between us and a broker, said once, for an operator: what was expected, what was found, what to do.
// CONNACK codes: MQTT 3.1.1 table 3.1, MQTT 5 section 3.2.2.2; SUBACK failures: 3.9.3; DISCONNECT reasons: MQTT 5 section 3.14.2.1.
import { DriverError, type DriverErrorCode } from "../driver.ts";

interface Explained {
  readonly code: DriverErrorCode;
  readonly text: string;
}

const BAD_LOGIN: Explained = {
  code: "DENIED",
  text: "refused the login (wrong user name or password): correct username and password",
};
const NOT_AUTHORISED: Explained = {
  code: "DENIED",
  text: "refused the login (not authorised): check username and password, and what the broker allows this user and client_id",
};
const BAD_VERSION: Explained = {
  code: "REFUSED",
  text: "does not speak this version of MQTT: set version to the other one (3.1.1 or 5)",
};
const BAD_CLIENT_ID: Explained = { code: "REFUSED", text: "refused the client_id: choose another one" };
const NOT_NOW: Explained = { code: "UNAVAILABLE", text: "says that it is unavailable at the moment" };

/** CONNACK return codes of 3.1.1 and reason codes of 5 (also those of a DISCONNECT from the server). */
const REASONS: Readonly<Record<number, Explained>> = {
  1: BAD_VERSION,
  2: BAD_CLIENT_ID,
  3: NOT_NOW,
  4: BAD_LOGIN,
  5: NOT_AUTHORISED,
  132: BAD_VERSION,
  133: BAD_CLIENT_ID,
  134: BAD_LOGIN,
  135: NOT_AUTHORISED,
  136: NOT_NOW,
  137: NOT_NOW,
  138: { code: "DENIED", text: "has banned this client" },
  139: { code: "UNAVAILABLE", text: "is shutting down" },
  142: {
    code: "REFUSED",
    text: "gave this session to another client of the same client_id: give each its own",
  },
  147: { code: "REFUSED", text: "says that it was sent more unacknowledged messages than it takes" },
  149: { code: "REFUSED", text: "says that a packet was too large" },
  151: { code: "REFUSED", text: "says that a quota is exceeded" },
  159: { code: "UNAVAILABLE", text: "says that connections come too fast" },
};

const SYSTEM: Readonly<Record<string, Explained>> = {
  ECONNREFUSED: { code: "UNAVAILABLE", text: "nothing listens there: start the broker, or correct url" },
  ENOTFOUND: { code: "UNAVAILABLE", text: "no such host: correct url, or check the name service" },
  EAI_AGAIN: { code: "UNAVAILABLE", text: "the name service does not answer: is the network up?" },
  ETIMEDOUT: { code: "TIMEOUT", text: "no answer: is the network up, and is the port open?" },
  EHOSTUNREACH: { code: "UNAVAILABLE", text: "no route to the host: is the network up?" },
  ENETUNREACH: { code: "UNAVAILABLE", text: "no network" },
  ECONNRESET: { code: "UNAVAILABLE", text: "the broker closed the connection" },
  EPIPE: { code: "UNAVAILABLE", text: "the broker closed the connection" },
  CERT_HAS_EXPIRED: { code: "DENIED", text: "the broker's certificate has expired" },
  CERT_NOT_YET_VALID: {
    code: "DENIED",
    text: "the broker's certificate is not valid yet: is this device's clock right?",
  },
  ERR_TLS_CERT_ALTNAME_INVALID: {
    code: "DENIED",
    text: "the broker's certificate is for another name: correct url, or set tls.servername",
  },
};

const UNTRUSTED: Explained = {
  code: "DENIED",
  text: "the broker's certificate is not signed by a trusted authority: set tls.ca to the file of the one that signed it",
};
const UNTRUSTED_CODES = /^(DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_.*)$/;
const TLS_ALERT_CODES = /^ERR_SSL_/;

const codeOf = (error: unknown): unknown =>
  typeof error === "object" && error !== null && "code" in error ? error.code : undefined;

const explain = (error: unknown): Explained => {
  const code = codeOf(error);
  const known = typeof code === "number" ? REASONS[code] : SYSTEM[String(code)];
  if (known !== undefined) return known;
  if (UNTRUSTED_CODES.test(String(code))) return UNTRUSTED;
  const message = error instanceof Error ? error.message : String(error);
  if (message === "connack timeout")
    return {
      code: "TIMEOUT",
      text: "no answer to CONNECT: is this an MQTT port (and is TLS meant to be on or off)?",
    };
  if (TLS_ALERT_CODES.test(String(code)))
    return {
      code: "DENIED",
      text: `the TLS handshake failed (${String(code)}): is this port meant for TLS, and does the broker want a client certificate?`,
    };
  return { code: "UNAVAILABLE", text: message };
};

/** Turns whatever the library or the system reports into one clear error. `shown` is the broker's address. */
export const connectionError = (shown: string, error: unknown): DriverError => {
  if (error instanceof DriverError) return error;
  const { code, text } = explain(error);
  return new DriverError(code, `${shown}: ${text}`, { cause: error });
};

/** The connection ended without a reason given. */
export const lostConnection = (shown: string): DriverError =>
  new DriverError("UNAVAILABLE", `${shown}: the connection was lost`);

/** A SUBACK that grants less than was asked for: without the subscription nothing would ever arrive, so it must be seen. */
export const refusedFilters = (shown: string, filters: readonly string[]): DriverError =>
  new DriverError(
    "DENIED",
    `${shown}: the broker refused the subscription to ${filters.join(", ")}: check what it allows this user to read`,
  );
