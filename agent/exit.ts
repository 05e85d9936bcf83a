// How a verb ends badly: one clear line for a person, an exit code for a script. Codes: docs/cli.md.
import { ConfigError } from "#agent/config/document.ts";
import { SecretError } from "#agent/config/secrets.ts";
import { MatrixError } from "#agent/matrix/types.ts";
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
  if (error instanceof MatrixError)
    return error.kind === "network" || error.kind === "unavailable" ? EXIT.unreachable : EXIT.refused;
  return EXIT.failed;
};

/** The line that a person reads; what is no error of ours keeps its stack, since then it is a bug to report. */
export const messageOf = (error: unknown): string => {
  if (!(error instanceof Error)) return String(error);
  const known = [CliError, ConfigError, SecretError, StoreError, MatrixError].some(
    (kind) => error instanceof kind,
  );
  return known ? error.message : `unexpected: ${error.stack ?? error.message}`;
};
