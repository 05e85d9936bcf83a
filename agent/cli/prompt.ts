// Asks a person, line by line; a secret is not shown. Without a terminal the answers are the lines of standard input.
// Questions go to standard error: standard output is for what a verb has to say.
import { createInterface, type Interface } from "node:readline";
import { Writable } from "node:stream";
import { CliError, EXIT } from "#agent/exit.ts";
import type { Outside } from "#agent/outside.ts";

export interface Asker {
  /** A person sits there: a wrong answer can be given again. */
  readonly terminal: boolean;
  /** One line without what stands around it, or the fallback. Rejects with `CliError` when the input ends, or at Ctrl-C. */
  ask(question: string, fallback?: string): Promise<string>;
  /** One line as it is, never shown, never empty. */
  askSecret(question: string): Promise<string>;
  close(): void;
}

interface Waiting {
  resolve(line: string): void;
  reject(error: CliError): void;
}

const ended = (question: string): CliError =>
  new CliError(EXIT.usage, `${question}: expected an answer, found the end of the input`);

const interrupted = (): CliError => new CliError(EXIT.interrupted, "interrupted; nothing was changed");

/** Lines in the order in which they come, for whoever asks next: piped lines come faster than questions. */
class LineQueue {
  readonly #lines: string[] = [];
  #waiting: Waiting | null = null;
  #over = false;

  push(line: string): void {
    const waiting = this.#take();
    if (waiting === null) this.#lines.push(line);
    else waiting.resolve(line);
  }

  end(question: string): void {
    this.#over = true;
    this.#take()?.reject(ended(question));
  }

  interrupt(): void {
    this.#take()?.reject(interrupted());
  }

  next(question: string): Promise<string> {
    const line = this.#lines.shift();
    if (line !== undefined) return Promise.resolve(line);
    if (this.#over) return Promise.reject(ended(question));
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
    });
  }

  #take(): Waiting | null {
    const waiting = this.#waiting;
    this.#waiting = null;
    return waiting;
  }
}

const screen = (outside: Outside, shown: () => boolean): Writable =>
  new Writable({
    write: (chunk: Uint8Array, _encoding, done) => {
      if (shown()) outside.stderr.write(new TextDecoder().decode(chunk));
      done();
    },
  });

class LineAsker implements Asker {
  readonly terminal: boolean;
  readonly #outside: Outside;
  readonly #reader: Interface;
  readonly #queue = new LineQueue();
  #hidden = false;
  #question = "";

  constructor(outside: Outside) {
    this.#outside = outside;
    this.terminal = outside.stdin.isTTY === true;
    const output = screen(outside, () => this.terminal && !this.#hidden);
    const { terminal } = this;
    // No history: the arrow keys would bring a secret back, in clear.
    this.#reader = createInterface({ input: outside.stdin, output, terminal, historySize: 0 });
    this.#reader.on("line", (line) => this.#queue.push(line));
    this.#reader.on("close", () => this.#queue.end(this.#question));
    this.#reader.on("SIGINT", () => this.#queue.interrupt());
  }

  async ask(question: string, fallback = ""): Promise<string> {
    const line = await this.#line(question, `${question}${fallback === "" ? "" : ` [${fallback}]`}: `);
    return line.trim() === "" ? fallback : line.trim();
  }

  async askSecret(question: string): Promise<string> {
    try {
      const line = this.#line(question, `${question}: `);
      this.#hidden = true;
      const secret = (await line).replace(/\r$/, "");
      if (secret === "") throw new CliError(EXIT.usage, `${question}: expected it, found an empty line`);
      return secret;
    } finally {
      this.#hidden = false;
      if (this.terminal) this.#outside.stderr.write("\n");
    }
  }

  close(): void {
    this.#reader.close();
  }

  #line(question: string, prompt: string): Promise<string> {
    this.#question = question;
    this.#reader.setPrompt(this.terminal ? prompt : "");
    if (this.terminal) this.#reader.prompt();
    return this.#queue.next(question);
  }
}

/** Questions for as long as `work` takes. */
export const withAsker = async <T>(outside: Outside, work: (asker: Asker) => Promise<T>): Promise<T> => {
  const asker = new LineAsker(outside);
  try {
    return await work(asker);
  } finally {
    asker.close();
  }
};
