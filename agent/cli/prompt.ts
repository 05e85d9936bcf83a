// Asks a person: a line, or a secret that is not shown. Without a terminal a secret is one line of standard input.
import { createInterface } from "node:readline/promises";
import { Writable } from "node:stream";
import type { Outside } from "#agent/outside.ts";

const screen = (outside: Outside, shown: () => boolean): Writable =>
  new Writable({
    write: (chunk: Uint8Array, _encoding, done) => {
      if (shown()) outside.stderr.write(new TextDecoder().decode(chunk));
      done();
    },
  });

/** One line; empty at the end of input. */
export const ask = async (outside: Outside, question: string, fallback = ""): Promise<string> => {
  const terminal = outside.stdin.isTTY === true;
  const reader = createInterface({ input: outside.stdin, output: screen(outside, () => terminal), terminal });
  try {
    const suffix = fallback === "" ? "" : ` [${fallback}]`;
    const answer = (await reader.question(`${question}${suffix}: `)).trim();
    return answer === "" ? fallback : answer;
  } finally {
    reader.close();
  }
};

export const askSecret = async (outside: Outside, question: string): Promise<string> => {
  const terminal = outside.stdin.isTTY === true;
  let hidden = false;
  const reader = createInterface({ input: outside.stdin, output: screen(outside, () => !hidden), terminal });
  try {
    const answer = reader.question(terminal ? `${question}: ` : "");
    hidden = true;
    return (await answer).trim();
  } finally {
    reader.close();
    if (terminal) outside.stderr.write("\n");
  }
};
