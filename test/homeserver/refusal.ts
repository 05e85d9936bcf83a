// How a request ends: a reply, or a refusal in the form of the Client-Server API ("Standard error response").
import type { JsonObject } from "./json.ts";

export interface Reply {
  readonly status: number;
  /** `null` bodies exist on the wire (Dendrite after a leave), bytes are media, `cut` destroys the socket instead. */
  readonly body: JsonObject | Buffer | null | "cut";
  readonly headers: Readonly<Record<string, string>>;
}

export const reply = (
  status: number,
  body: JsonObject | Buffer | null | "cut",
  headers: Readonly<Record<string, string>> = {},
): Reply => ({ status, body, headers });

/** Thrown anywhere below a route; `errcode` null and an empty `error` leave the field out, as some answers do. */
export class Refusal extends Error {
  readonly reply: Reply;
  constructor(status: number, errcode: string | null, error: string, extra: JsonObject = {}) {
    super(`${status} ${errcode ?? ""} ${error}`);
    this.name = "Refusal";
    this.reply = reply(status, {
      ...(errcode === null ? {} : { errcode }),
      ...(error === "" ? {} : { error }),
      ...extra,
    });
  }
}

export const notFound = (what: string): Refusal => new Refusal(404, "M_NOT_FOUND", what);
export const forbidden = (why: string): Refusal => new Refusal(403, "M_FORBIDDEN", why);
export const badRequest = (errcode: string, why: string): Refusal => new Refusal(400, errcode, why);
