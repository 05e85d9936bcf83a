// How a verb ends badly: one clear line for a person, an exit code for a script. Codes: docs/cli.md.
import { ConfigError } from "#agent/config/document.ts";
import { SecretError } from "#agent/config/secrets.ts";
import { MatrixError, type MatrixErrorKind } from "#agent/matrix/types.ts";
import { StoreError } from "#agent/store/store.ts";

export const EXIT = {
  ok: 0,
  /** Anything without a code of its own. */
  failed: 1,
  usage: 2,
  config: 3,
  /** The store: held by another process, broken, full. */
  store: 4,
  /** The homeserver refused us: wrong password, unknown token, no such room. */
  refused: 5,
  /** The homeserver could not be reached. */
  unreachable: 6,
  /** Another process has, or had, a copy of this store: `petrel device`. Started again it ends the same way. */
  copy: 7,
  /** `petrel status`: no agent runs. For a script, told apart from an error. */
  notRunning: 10,
  /** Ctrl-C at a prompt or while a server is asked: 128 and the signal's number, as shells have it. */
  interrupted: 130,
} as const;

/** A verb that cannot go on, with its code; the message is for a person. */
export class CliError extends Error {
  readonly exitCode: number;
  constructor(exitCode: number, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "CliError";
    this.exitCode = exitCode;
  }
}

export const exitCodeOf = (error: unknown): number => {
  if (error instanceof CliError) return error.exitCode;
  if (error instanceof ConfigError || error instanceof SecretError) return EXIT.config;
  if (error instanceof StoreError) return EXIT.store;
  return error instanceof MatrixError ? MATRIX_EXIT[error.kind] : EXIT.failed;
};

const MATRIX_EXIT: Readonly<Record<MatrixErrorKind, number>> = {
  network: EXIT.unreachable,
  unavailable: EXIT.unreachable,
  limited: EXIT.refused,
  refused: EXIT.refused,
  auth: EXIT.refused,
  // Refused here, before any server was asked: what the configuration says does not fit what the store holds.
  local: EXIT.config,
  aborted: EXIT.interrupted,
};

/** What a rate limit adds: when another try makes sense. */
const laterOf = (error: Error): string =>
  error instanceof MatrixError && error.kind === "limited" && error.retryAfterMs !== null
    ? `; try again in ${Math.ceil(error.retryAfterMs / 1000)} s`
    : "";

/** The line that a person reads; what is no error of ours keeps its stack, since then it is a bug to report. */
export const messageOf = (error: unknown): string => {
  if (!(error instanceof Error)) return String(error);
  const known = [CliError, ConfigError, SecretError, StoreError, MatrixError].some(
    (kind) => error instanceof kind,
  );
  return known ? `${error.message}${laterOf(error)}` : `unexpected: ${error.stack ?? error.message}`;
};
