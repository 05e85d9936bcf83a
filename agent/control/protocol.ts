// The control socket's protocol: JSON lines over a UNIX socket in the state folder (mode 0600: who may open it may use the agent).
//   -> {"verb":"tail","args":{...}}
//   <- {"event":...} any number of times, then {"result":...} or {"error":"...","code":5}; either side ends it by closing
import type { JsonObject, JsonValue } from "#agent/matrix/types.ts";

export interface ControlRequest {
  readonly verb: string;
  readonly args: JsonObject;
}

export type ControlAnswer =
  | { readonly event: JsonValue }
  | { readonly result: JsonValue }
  | { readonly error: string; readonly code: number };

/** A line longer than this is no request of ours. */
export const CONTROL_LINE_BYTES_MAX = 65_536;

/** Connections at once: a person and some scripts. */
export const CONTROL_CONNECTIONS_MAX = 16;

/** Answers that a client has not read yet, such as a `petrel tail` that was suspended: beyond this it is let go, or the agent's memory would fill. */
export const CONTROL_UNREAD_BYTES_MAX = 4_194_304;

export const SOCKET_NAME = "control.sock";
