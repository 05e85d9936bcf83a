// `petrel decode`: readings out of a file, without an agent, a store or a network.
import { readFileSync } from "node:fs";
import { CliError, EXIT } from "#agent/exit.ts";
import type { Outside } from "#agent/outside.ts";
import { decodeFile } from "#agent/subscriptions/file.ts";
import { type Format, headerOf, lineOf } from "#agent/subscriptions/format.ts";

export interface DecodeOptions {
  readonly format: Format;
}

/** A day of a drone as JSON lines of events is 10 MB; what is far larger is no file of ours, or is to be cut. */
const FILE_BYTES_MAX = 268_435_456;
/** Lines are written together: one write a reading would take minutes for a pack. */
const LINES_AT_ONCE = 1000;

const readStandardInput = async (outside: Outside): Promise<Uint8Array> => {
  const parts: Buffer[] = [];
  let size = 0;
  for await (const part of outside.stdin) {
    const bytes = Buffer.from(part);
    size += bytes.length;
    if (size > FILE_BYTES_MAX)
      throw new CliError(EXIT.failed, `standard input: more than ${FILE_BYTES_MAX} bytes`);
    parts.push(bytes);
  }
  return Buffer.concat(parts);
};

const readNamed = (path: string): Uint8Array => {
  try {
    return readFileSync(path);
  } catch (error) {
    const why = error instanceof Error && "code" in error ? String(error.code) : String(error);
    throw new CliError(EXIT.failed, `cannot read ${path} (${why})`, { cause: error });
  }
};

/** Resolves with 1 if something in the file could not be read; the rest is written all the same. */
export const decode = async (outside: Outside, path: string, { format }: DecodeOptions): Promise<number> => {
  const bytes = path === "-" ? await readStandardInput(outside) : readNamed(path);
  const header = headerOf(format);
  let lines: string[] = header === null ? [] : [header];
  const flush = (): void => {
    if (lines.length > 0) outside.stdout.write(`${lines.join("\n")}\n`);
    lines = [];
  };
  let code: number = EXIT.ok;
  for (const piece of decodeFile(bytes)) {
    if ("problem" in piece) {
      code = EXIT.failed;
      outside.stderr.write(`petrel: ${path}: ${piece.problem}\n`);
      continue;
    }
    for (const reading of piece.readings) {
      lines.push(lineOf(format, piece.origin, reading));
      if (lines.length >= LINES_AT_ONCE) flush();
    }
  }
  flush();
  return code;
};
