// A driver's end of the oracle protocol: a child process, requests written many to a chunk, answers matched by id.
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import type { Answer, Fields, Op, Oracle } from "./protocol.ts";

type Waiting = { resolve: (answer: Answer) => void; reject: (error: Error) => void };

const STDERR_CHARS_MAX = 4_000;

// The oracles are ours: they answer in the protocol's shape, and a wrong field shows in the comparison.
const parseAnswer = (line: string): Answer & { id: number } => JSON.parse(line) as Answer & { id: number };

const watch = (child: ChildProcessWithoutNullStreams, name: string, waiting: Map<number, Waiting>): void => {
  let stderr = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr = (stderr + text).slice(-STDERR_CHARS_MAX);
  });
  const fail = (why: string): void => {
    for (const { reject } of waiting.values()) reject(new Error(`oracle ${name}: ${why}\n${stderr}`));
    waiting.clear();
  };
  child.on("error", (error) => fail(error.message));
  child.on("close", (code, signal) => fail(`ended with ${code ?? signal}`));
  child.stdin.on("error", (error) => fail(error.message));
  createInterface({ input: child.stdout }).on("line", (line) => {
    const { id, ...answer } = parseAnswer(line);
    waiting.get(id)?.resolve(answer);
    waiting.delete(id);
  });
};

/** Starts `command` as an oracle. `close` ends its input and waits for it to go. */
export const childOracle = (name: string, command: string, args: readonly string[]): Oracle => {
  const child = spawn(command, args, { stdio: "pipe" });
  const gone = new Promise<void>((resolve) => child.once("close", () => resolve()));
  const waiting = new Map<number, Waiting>();
  watch(child, name, waiting);
  let nextId = 1;
  let chunk: string[] = [];
  const flush = (): void => {
    child.stdin.write(chunk.join(""));
    chunk = [];
  };
  const call = (op: Op, fields: Fields): Promise<Answer> => {
    const id = nextId++;
    if (chunk.length === 0) setImmediate(flush);
    chunk.push(`${JSON.stringify({ id, op, ...fields })}\n`);
    return new Promise((resolve, reject) => waiting.set(id, { resolve, reject }));
  };
  const close = (): Promise<void> => {
    child.stdin.end();
    return gone;
  };
  return { name, call, close };
};
