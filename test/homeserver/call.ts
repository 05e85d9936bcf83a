// One request on its way through: what a route is given, and how routes are written down and found.
import type { JsonObject } from "./json.ts";
import type { Limiter } from "./limiter.ts";
import { badRequest, Refusal, type Reply } from "./refusal.ts";
import type { Session, User, World } from "./world.ts";

export interface Call {
  readonly world: World;
  readonly limiter: Limiter;
  readonly method: string;
  readonly path: string;
  /** Path parameters, decoded. */
  readonly params: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** The body as it came; `body()` reads it as a JSON object. */
  readonly bytes: Buffer;
  readonly body: () => JsonObject;
  readonly text: () => string;
  /** Ends when the client hangs up or the server stops. */
  readonly gone: AbortSignal;
  /** Faults that reach into /sync. */
  readonly syncFault: { readonly repeat: boolean; readonly gapLimit: number | null };
}

export interface SignedCall extends Call {
  readonly session: Session;
  readonly user: User;
}

export type Answer = JsonObject | Reply | Promise<JsonObject | Reply>;

export interface Route {
  readonly method: string;
  readonly pattern: RegExp;
  readonly names: readonly string[];
  readonly open: ((call: Call) => Answer) | null;
  readonly signed: ((call: SignedCall) => Answer) | null;
  /** Media may be large; everything else is bounded like an event. */
  readonly isUpload: boolean;
}

/** `/_matrix/client/v3/rooms/:roomId/leave`; `v3` stands for `r0` too. */
const compile = (path: string): { pattern: RegExp; names: string[] } => {
  const names: string[] = [];
  const source = path.replace(/:(\w+)/g, (_, name: string) => {
    names.push(name);
    return "([^/]*)";
  });
  return { pattern: new RegExp(`^${source.replace("/v3/", "/(?:v3|r0)/")}$`), names };
};

/** A route that needs an access token. */
export const signed = (
  method: string,
  path: string,
  handle: (call: SignedCall) => Answer,
  isUpload = false,
): Route => ({ method, ...compile(path), open: null, signed: handle, isUpload });

/** A route for everybody. */
export const open = (method: string, path: string, handle: (call: Call) => Answer): Route => ({
  method,
  ...compile(path),
  open: handle,
  signed: null,
  isUpload: false,
});

const decode = (text: string): string => {
  try {
    return decodeURIComponent(text);
  } catch {
    throw badRequest("M_INVALID_PARAM", "The path is not well-formed percent-encoding");
  }
};

export interface Found {
  readonly route: Route;
  readonly params: Record<string, string>;
}

export const findRoute = (routes: readonly Route[], method: string, path: string): Found => {
  let isKnownPath = false;
  for (const route of routes) {
    const match = route.pattern.exec(path);
    if (match === null) continue;
    isKnownPath = true;
    if (route.method !== method) continue;
    const params = route.names.map((name, index) => [name, decode(match[index + 1] ?? "")] as const);
    return { route, params: Object.fromEntries(params) };
  }
  throw isKnownPath
    ? new Refusal(405, "M_UNRECOGNIZED", "Unrecognized request")
    : new Refusal(404, "M_UNRECOGNIZED", "Unrecognized request");
};

/** A path parameter that the route names, so it is there. */
export const param = (call: Call, name: string): string => call.params[name] ?? "";

/** Runs `act` once per transaction ID, as far as the profile's server remembers it (Client-Server API, "Transaction identifiers"). */
export const once = (call: SignedCall, transactionId: string, act: () => JsonObject): JsonObject => {
  const { userId, deviceId, serial } = call.session;
  const scope = {
    "device-and-path": `${userId}\0${deviceId}\0${call.path}`,
    "token-and-path": `${serial}\0${call.path}`,
    device: `${userId}\0${deviceId}\0${transactionId}`,
  }[call.world.profile.transactionScope];
  const known = call.world.transactions.get(scope);
  if (known !== undefined) return known;
  const answer = act();
  call.world.transactions.set(scope, answer);
  return answer;
};
