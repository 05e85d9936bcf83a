// The oracle protocol: raw Olm and Megolm objects behind one JSON object per line, so that any two
// implementations can be driven against each other. Requests carry `id`, `op` and fields; answers carry
// `id`, `ok` and fields, or `err` (a code for the report; a driver compares ok with not ok) and `msg`.
// Part done: all operations of the README's table. Handles (`h`) are made by the oracle.
import { createInterface } from "node:readline";

export const OPS = [
  "hello",
  "account_new",
  "identity_keys",
  "one_time_keys",
  "mark_published",
  "fallback",
  "sign",
  "verify",
  "session_outbound",
  "session_inbound",
  "session_id",
  "session_matches",
  "encrypt",
  "decrypt",
  "group_outbound_new",
  "group_session_key",
  "group_encrypt",
  "group_inbound",
  "group_import",
  "group_decrypt",
  "group_export",
  "pickle",
  "unpickle",
  "sas_new",
  "sas_their",
  "sas_bytes",
  "sas_mac",
  "free",
] as const;
export type Op = (typeof OPS)[number];

export const CODES = [
  "BASE64",
  "FORMAT",
  "VERSION",
  "MAC",
  "SIGNATURE",
  "GAP",
  "MISSING_KEY",
  "UNKNOWN_INDEX",
  "KEY_ID",
  "SMALL_ORDER",
  "PROTOCOL",
  "UNSUPPORTED",
  "PADDING",
] as const;
export type Code = (typeof CODES)[number];

export type ObjectKind = "account" | "session" | "group_out" | "group_in";

export type Fields = {
  readonly h?: string;
  readonly seed?: string;
  readonly n?: number;
  readonly msg?: string;
  readonly pub?: string;
  readonly sig?: string;
  readonly their_identity?: string;
  readonly their_otk?: string;
  readonly body?: string;
  readonly type?: number;
  readonly pt?: string;
  readonly key?: string;
  readonly index?: number;
  readonly pickle?: string;
  readonly kind?: ObjectKind;
  readonly format?: "libolm" | "own";
  readonly info?: string;
  readonly input?: string;
  readonly fixed?: number;
};

/** What an operation answers: every field of the protocol, each present where the operation gives it. */
export type Result = {
  h?: string;
  name?: string;
  version?: string;
  caps?: string[];
  curve25519?: string;
  ed25519?: string;
  keys?: [string, string][];
  sig?: string;
  session_id?: string;
  matches?: boolean;
  type?: number;
  body?: string;
  pt?: string;
  index?: number;
  key?: string;
  first_known_index?: number;
  pickle?: string;
  pub?: string;
  hex?: string;
  emoji?: number[];
  decimals?: number[];
  mac?: string;
};

export type Answer = ({ readonly ok: true } & Readonly<Result>) | Failure;
export type Failure = { readonly ok: false; readonly err: Code; readonly msg: string };

/** An implementation under drive, in this process or in a child. */
export type Oracle = {
  readonly name: string;
  call(op: Op, fields: Fields): Promise<Answer>;
  close(): Promise<void>;
};

/** The synchronous heart of an oracle: throws `Refusal` (or anything, which is FORMAT) where it refuses. */
export type Handler = (op: Op, fields: Fields) => Result;

export class Refusal extends Error {
  readonly code: Code;
  constructor(code: Code, message: string) {
    super(message);
    this.name = "Refusal";
    this.code = code;
  }
}

export const need = <T>(value: T | undefined, field: string): T => {
  if (value === undefined) throw new Refusal("UNSUPPORTED", `the field "${field}" is missing`);
  return value;
};

export const answerOf = (handler: Handler, op: Op, fields: Fields): Answer => {
  try {
    return { ok: true, ...handler(op, fields) };
  } catch (error) {
    if (error instanceof Refusal) return { ok: false, err: error.code, msg: error.message };
    return { ok: false, err: "FORMAT", msg: error instanceof Error ? error.message : String(error) };
  }
};

const isOp = (op: unknown): op is Op => OPS.some((known) => known === op);

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const answerLine = (handler: Handler, line: string): string => {
  const request: unknown = JSON.parse(line);
  if (!isRecord(request)) throw new TypeError("a request is one JSON object per line");
  const { id, op, ...fields } = request;
  const answer: Answer = isOp(op)
    ? // The fields are checked where they are used: `need` refuses what is missing.
      answerOf(handler, op, fields as Fields)
    : { ok: false, err: "UNSUPPORTED", msg: `unknown operation ${JSON.stringify(op)}` };
  return JSON.stringify({ id, ...answer });
};

/** Serves the protocol on stdin and stdout until stdin ends. */
export const serve = (handler: Handler): void => {
  const lines = createInterface({ input: process.stdin, crlfDelay: Number.POSITIVE_INFINITY });
  let pending: string[] = [];
  const flush = (): void => {
    process.stdout.write(`${pending.join("\n")}\n`);
    pending = [];
  };
  lines.on("line", (line) => {
    if (pending.length === 0) setImmediate(flush);
    pending.push(answerLine(handler, line));
  });
};

/** An oracle in this very process. */
export const localOracle = (name: string, handler: Handler): Oracle => ({
  name,
  call: (op, fields) => Promise.resolve(answerOf(handler, op, fields)),
  close: () => Promise.resolve(),
});
