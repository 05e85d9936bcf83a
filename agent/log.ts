// The section `log`, and the logger: for a person on a terminal, JSON lines under systemd and in files. Secrets never get here: who holds one does not log it.
import pino from "pino";
import type { ZodType } from "zod";
import * as z from "zod";
import type { Terminal } from "./outside.ts";
import type { Log } from "./runtime.ts";

export interface LogConfig {
  readonly level: "debug" | "info" | "warn" | "error";
  readonly format: "auto" | "human" | "json";
}

export const logSchema: ZodType<LogConfig> = z.strictObject({
  level: z.enum(["debug", "info", "warn", "error"]).default("info").describe("The least that is written."),
  format: z
    .enum(["auto", "human", "json"])
    .default("auto")
    .describe("auto: for people on a terminal, JSON elsewhere."),
});

const humanStream = async (terminal: Terminal): Promise<pino.DestinationStream> => {
  const { default: pretty } = await import("pino-pretty");
  const { Writable } = await import("node:stream");
  const destination = new Writable({
    write: (chunk: Uint8Array, _encoding, done) => {
      terminal.write(new TextDecoder().decode(chunk));
      done();
    },
  });
  return pretty({
    colorize: terminal.isTty,
    ignore: "pid,hostname",
    translateTime: "SYS:HH:MM:ss",
    singleLine: true,
    destination,
    sync: true,
  });
};

/** A logger of our own shape over pino's. */
export const createLog = async ({ level, format }: LogConfig, terminal: Terminal): Promise<Log> => {
  const human = format === "human" || (format === "auto" && terminal.isTty);
  const stream = human ? await humanStream(terminal) : { write: (line: string) => terminal.write(line) };
  const logger = pino(
    { level, base: null, ...(human ? {} : { formatters: { level: (label) => ({ level: label }) } }) },
    stream,
  );
  return {
    debug: (fields, message) => logger.debug(fields, message),
    info: (fields, message) => logger.info(fields, message),
    warn: (fields, message) => logger.warn(fields, message),
    error: (fields, message) => logger.error(fields, message),
  };
};

/**
 * The same log until `failed` is aborted. From then on warnings and errors are written as `debug`: what the parts of the agent still meet are consequences,
 * and the one line that an operator has to act on is written by whoever ends the process.
 */
export const untilFailed = (log: Log, failed: AbortSignal): Log => ({
  debug: log.debug,
  info: log.info,
  warn: (fields, message) => (failed.aborted ? log.debug : log.warn)(fields, message),
  error: (fields, message) => (failed.aborted ? log.debug : log.error)(fields, message),
});
