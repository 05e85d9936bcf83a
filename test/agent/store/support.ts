// What the store's tests share: a folder that goes away, a store that is closed, the child process of child.ts.
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { onTestFinished } from "vitest";
import { openStore, type StoreOptions } from "#agent/store/open.ts";
import type { Store } from "#agent/store/store.ts";
import type { ChildTask } from "./child.ts";
import { optionsFor } from "./runtime.ts";

const ignore = (): void => undefined;

export const temporaryFolder = (): string => {
  const folder = mkdtempSync(join(tmpdir(), "petrel-store-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
};

/** Opens a store that is closed at the test's end. */
export const openTestStore = async (path: string, more: Partial<StoreOptions> = {}): Promise<Store> => {
  const store = await openStore(optionsFor(path, more));
  onTestFinished(() => store.close().catch(ignore));
  return store;
};

export const insert = (store: Store, id: number, value = `row ${id}`): Promise<void> =>
  store.transaction((database) => {
    database.prepare("INSERT INTO rows VALUES (?, ?)").run(id, value);
  });

export const idsOf = (store: Store): number[] =>
  store.read((database) =>
    database
      .prepare("SELECT id FROM rows ORDER BY id")
      .all()
      .map((row) => Number(row["id"])),
  );

export interface Child {
  readonly process: ChildProcess;
  /** Everything it said so far, a line each. */
  readonly lines: string[];
  /** Resolves with the first line that matches, past or to come; rejects when the child ends without one. */
  said(pattern: RegExp): Promise<string>;
  /** Resolves once it has said something more, or has ended. */
  next(): Promise<void>;
  /** Its exit code, or the signal's name, once all it said was read. */
  readonly ended: Promise<string>;
}

const CHILD = fileURLToPath(new URL("./child.ts", import.meta.url));

interface Waiter {
  readonly pattern: RegExp;
  readonly resolve: (line: string) => void;
  readonly reject: (error: Error) => void;
}

/** Starts child.ts with the task; `command` goes before node's own path (strace), `env` is added to ours. It is killed at the test's end. */
export const startChild = (
  task: ChildTask,
  env: Readonly<Record<string, string>> = {},
  command: readonly string[] = [],
): Child => {
  const [program = process.execPath, ...rest] = [...command, process.execPath, CHILD, JSON.stringify(task)];
  const child = spawn(program, rest, {
    env: { ...process.env, NODE_OPTIONS: "", NODE_NO_WARNINGS: "1", ...env },
    stdio: ["ignore", "pipe", "inherit"],
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  const lines: string[] = [];
  const waiters = new Set<Waiter>();
  const wakers: (() => void)[] = [];
  createInterface({ input: child.stdout }).on("line", (line) => {
    lines.push(line);
    for (const waiter of waiters) if (waiter.pattern.test(line)) waiter.resolve(line);
    for (const wake of wakers.splice(0)) wake();
  });
  const ended = new Promise<string>((resolve) => {
    child.once("close", (code, signal) => {
      for (const { pattern, reject } of waiters)
        reject(new Error(`child ended without ${String(pattern)}; it said: ${lines.slice(-5).join(" | ")}`));
      for (const wake of wakers.splice(0)) wake();
      resolve(signal ?? String(code));
    });
  });
  const said = (pattern: RegExp): Promise<string> => {
    const past = lines.find((line) => pattern.test(line));
    if (past !== undefined) return Promise.resolve(past);
    return new Promise((resolve, reject) => void waiters.add({ pattern, resolve, reject }));
  };
  const next = (): Promise<void> => new Promise((resolve) => void wakers.push(resolve));
  return { process: child, lines, said, next, ended };
};

/** The rows that the child said were durable. */
export const acknowledged = (child: Child): number[] =>
  child.lines.filter((line) => line.startsWith("ack ")).map((line) => Number(line.slice(4)));
