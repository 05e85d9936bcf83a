// Where `petrel export` writes: standard output, or a file beside which it notes after each page how far it came, so that the next call goes on there.
import {
  closeSync,
  existsSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { CliError, EXIT } from "#agent/exit.ts";
import { asInteger, asObject, asString, field, parseJson } from "#agent/matrix/json.ts";
import type { Outside } from "#agent/outside.ts";

export interface Sink {
  /** Where the room is to be read from; null: from its beginning. */
  readonly from: string | null;
  /** Readings that an earlier call has written. */
  readonly readings: number;
  write(lines: readonly string[], next: string | null, readings: number): void;
  /** All is written: nothing is left to go on with. */
  finish(): void;
}

const text = (lines: readonly string[]): string => (lines.length === 0 ? "" : `${lines.join("\n")}\n`);

export const outputSink = (outside: Outside, header: string | null): Sink => {
  if (header !== null) outside.stdout.write(text([header]));
  return {
    from: null,
    readings: 0,
    write: (lines) => void outside.stdout.write(text(lines)),
    finish: () => undefined,
  };
};

interface Note {
  readonly from: string | null;
  readonly bytes: number;
  readonly readings: number;
}

/** Null where there is none, or one of another question: format, room or range. */
const readNote = (path: string, question: string): Note | null => {
  if (!existsSync(path)) return null;
  const note = asObject(parseJson(readFileSync(path, "utf8")));
  const bytes = note === null ? null : asInteger(field(note, "bytes"));
  if (note === null || bytes === null || note["question"] !== question) return null;
  return { from: asString(field(note, "from")), bytes, readings: asInteger(field(note, "readings")) ?? 0 };
};

const openFile = (path: string, fresh: boolean): number => {
  try {
    return openSync(path, fresh ? "wx" : "r+", 0o640);
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : String(error);
    const hint =
      code === "EEXIST"
        ? "it is there already, and not a part of this export; name another or remove it"
        : code;
    throw new CliError(EXIT.failed, `cannot write ${path}: ${hint}`, { cause: error });
  }
};

const append = (file: number, lines: readonly string[], at: number): number => {
  const bytes = Buffer.from(text(lines));
  for (let done = 0; done < bytes.length; )
    done += writeSync(file, bytes, done, bytes.length - done, at + done);
  return at + bytes.length;
};

/** `question`: what is exported, in a word that is the same only for the same. */
export const fileSink = (path: string, question: string, header: string | null): Sink => {
  const notePath = `${path}.petrel-export`;
  const note = readNote(notePath, question);
  const file = openFile(path, note === null);
  let at = note?.bytes ?? 0;
  // What was written after the note is written again.
  ftruncateSync(file, at);
  if (note === null && header !== null) at = append(file, [header], at);
  const remember = (from: string | null, readings: number): void => {
    fsyncSync(file);
    writeFileSync(`${notePath}.new`, JSON.stringify({ question, from, bytes: at, readings }), {
      mode: 0o640,
    });
    renameSync(`${notePath}.new`, notePath);
  };
  remember(note?.from ?? null, note?.readings ?? 0);
  return {
    from: note?.from ?? null,
    readings: note?.readings ?? 0,
    write: (lines, next, readings) => {
      at = append(file, lines, at);
      if (next !== null) remember(next, readings);
    },
    finish: () => {
      fsyncSync(file);
      closeSync(file);
      rmSync(notePath, { force: true });
    },
  };
};
