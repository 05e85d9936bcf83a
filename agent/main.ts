#!/usr/bin/env node
// The composition root: the one file that touches the process, the real clock, real timers and real randomness, and hands them to everything else.
// Its static imports are Node's own: what is ours is loaded after the compile cache is on, so that the second start reads compiled code (a third faster).
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { enableCompileCache, flushCompileCache } from "node:module";
import { monitorEventLoopDelay, performance } from "node:perf_hooks";
import process from "node:process";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import type { Outside, Terminal } from "./outside.ts";
import type { WorkerSource } from "./store/checkpoint.ts";

// The young generation stays small: an agent idles most of its life, and a larger one is memory that it touched once while it started.
setFlagsFromString("--semi-space-growth-factor=1");

/** In a folder of this user's own: what lies in a shared one, another user could have put there. */
const compileCache = (): string | null => {
  const { CACHE_DIRECTORY, HOME, XDG_CACHE_HOME } = process.env;
  if (CACHE_DIRECTORY !== undefined) return `${CACHE_DIRECTORY}/compiled`;
  const base = XDG_CACHE_HOME ?? (HOME === undefined ? null : `${HOME}/.cache`);
  return base === null ? null : `${base}/petrel/compiled`;
};

const cacheFolder = compileCache();
if (cacheFolder !== null) enableCompileCache(cacheFolder);

// Node 22 and 24 call node:sqlite experimental at every start; what it does here is tested on each of them.
const warn = process.emitWarning.bind(process);
process.emitWarning = (warning: string | Error, ...rest: unknown[]): void => {
  if (String(warning).includes("SQLite is an experimental feature")) return;
  Reflect.apply(warn, process, [warning, ...rest]);
};

type SignalListener = (signal: string) => void;

const signalListeners = new Set<SignalListener>();

const tellSignal: SignalListener = (signal) => {
  for (const listener of [...signalListeners]) listener(signal);
};

/** `gone` is told when nobody reads any longer (`petrel tail | head`): no reason to end with a stack trace. */
const terminal = (stream: NodeJS.WriteStream, gone: () => void): Terminal => {
  stream.on("error", gone);
  return {
    write: (text) => {
      if (stream.writable) stream.write(text);
    },
    isTty: stream.isTTY === true,
    columns: stream.columns ?? 100,
  };
};

const BOOT_ID = "/proc/sys/kernel/random/boot_id";

const bootId = (): string => {
  try {
    return readFileSync(BOOT_ID, "utf8").trim();
  } catch {
    // No Linux: every start counts as a boot of its own, which only makes more streams.
    return randomBytes(16).toString("hex");
  }
};

declare const PETREL_WORKER: string | undefined;
declare const PETREL_WORKER_SOURCE: string | undefined;

/** The build puts the worker beside the bundle and its name here; a single executable has no files beside it and gets the worker's text. */
const worker = async (): Promise<WorkerSource> => {
  if (typeof PETREL_WORKER_SOURCE !== "undefined") return { source: PETREL_WORKER_SOURCE };
  if (typeof PETREL_WORKER !== "undefined") return { url: new URL(PETREL_WORKER, import.meta.url) };
  return (await import("./store/checkpoint.ts")).UNBUILT_WORKER;
};

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** Node's own answer to a signal, an end at once, comes back when nobody listens: a second Ctrl-C always ends it. */
const onSignal = (listener: SignalListener): (() => void) => {
  for (const signal of SIGNALS) process.on(signal, listener);
  signalListeners.add(listener);
  return () => {
    for (const signal of SIGNALS) process.off(signal, listener);
    signalListeners.delete(listener);
  };
};

const onUncaught = (listener: (error: unknown) => void): (() => void) => {
  process.on("uncaughtException", listener);
  return () => void process.off("uncaughtException", listener);
};

/** Monotonic milliseconds of CLOCK_MONOTONIC, the same clock that the kernel stamps GPIO edges with. */
const NS_PER_MS = 1e6;
const US_PER_MS = 1000;
const MS_PER_S = 1000;

/** V8's own `gc` becomes visible in contexts that are made after the flag is set. It asks for a full collection as under low memory. */
const collectGarbage = (): void => {
  setFlagsFromString("--expose-gc");
  const gc: unknown = runInNewContext("gc");
  const how = { type: "major", execution: "sync", flavor: "last-resort" };
  if (typeof gc === "function") Reflect.apply(gc, undefined, [how]);
};

const settle = (): void => {
  // By itself Node writes it when the process ends in order; many of ours end with the power.
  flushCompileCache();
  collectGarbage();
};

const outside: Omit<Outside, "worker"> = {
  clock: { wallMs: () => Date.now(), monoMs: () => Number(process.hrtime.bigint()) / NS_PER_MS },
  timers: {
    after: (delayMs, callback) => {
      const timer = setTimeout(callback, Math.min(delayMs, 2 ** 31 - 1));
      return () => clearTimeout(timer);
    },
  },
  random: (length) => randomBytes(length),
  environment: process.env,
  stdout: terminal(process.stdout, () => tellSignal("SIGPIPE")),
  stderr: terminal(process.stderr, () => undefined),
  stdin: process.stdin,
  pid: process.pid,
  superuser: process.getuid?.() === 0,
  bootId: bootId(),
  killGroup: (pid, signal) => {
    try {
      process.kill(-pid, signal);
    } catch {
      // It ended by itself in the meantime.
    }
  },
  onSignal,
  onUncaught,
  umask: (mask) => process.umask(mask),
  settle,
  process: {
    memory: () => process.memoryUsage(),
    cpuMs: () => {
      const { system, user } = process.cpuUsage();
      return (system + user) / US_PER_MS;
    },
    startedAt: () => performance.timeOrigin / MS_PER_S,
    watchLoop: (resolution) => {
      const histogram = monitorEventLoopDelay({ resolution });
      histogram.enable();
      return histogram;
    },
  },
};

const LINGER_MS = 3000;

/** A call instead of an await at the top: the single executable is made of CommonJS, which has none. */
const main = async (): Promise<void> => {
  // Stands if the program ever ends without having come to the end.
  process.exitCode = 1;
  const { runCommandLine } = await import("./cli/program.ts");
  const code = await runCommandLine({ ...outside, worker: await worker() }, process.argv.slice(2));
  process.exitCode = code;
  // What stays open after the end (a store that failed is never closed) must not keep the process alive.
  setTimeout(() => process.exit(code), LINGER_MS).unref();
};

void main();
