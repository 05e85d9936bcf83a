// The system's error codes as sentences: what was found, and what to do about it.
import { DriverError, type DriverErrorCode } from "../driver.ts";

/** The code of a system error (`ENOENT`), or an empty string. */
export const codeOf = (error: unknown): string =>
  error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : "";

const KNOWN: Readonly<Record<string, readonly [DriverErrorCode, string]>> = {
  ENOENT: ["UNAVAILABLE", "there is no such file; check the path, or wait until it is there"],
  ENXIO: ["UNAVAILABLE", "the device behind it is not there; plug it in"],
  ENODEV: ["UNAVAILABLE", "the device behind it is not there; plug it in"],
  EACCES: ["DENIED", "permission denied; give the agent's user access to it"],
  EPERM: ["DENIED", "permission denied; give the agent's user access to it"],
  EISDIR: ["CONFIG", "is a folder; name a file in it"],
  EBUSY: ["BUSY", "is in use by another program; stop that one first"],
  EADDRINUSE: [
    "BUSY",
    "another program listens there already; stop it (ss -ltnup shows which), or choose another port",
  ],
  EADDRNOTAVAIL: ["UNAVAILABLE", "this machine has no such address (now); check host, or the network"],
  ECONNREFUSED: ["REFUSED", "nothing listens there; start the device's service, or check host and port"],
  ECONNRESET: ["UNAVAILABLE", "the other side cut the connection"],
  EPIPE: ["UNAVAILABLE", "the other side cut the connection"],
  ECANCELED: ["CLOSED", "closed while something was being sent; it is not known whether the device got it"],
  ERR_STREAM_DESTROYED: ["CLOSED", "closed before something was sent"],
  ETIMEDOUT: ["TIMEOUT", "no answer; check that the device is on and reachable"],
  EHOSTUNREACH: ["UNAVAILABLE", "no way to that host; check the network"],
  ENETUNREACH: ["UNAVAILABLE", "no way to that network; check the network"],
  ENOTFOUND: ["UNAVAILABLE", "the name is not known; check host, or the DNS server"],
  EAI_AGAIN: ["UNAVAILABLE", "the name could not be looked up (no DNS server answered); check the network"],
};

/** A `DriverError` for a failed system call on `place`. */
export const systemError = (place: string, error: unknown): DriverError => {
  if (error instanceof DriverError) return error;
  const known = KNOWN[codeOf(error)];
  const [code, sentence] = known ?? ["UNAVAILABLE", error instanceof Error ? error.message : String(error)];
  return new DriverError(code, `${place}: ${sentence}`, { cause: error });
};
