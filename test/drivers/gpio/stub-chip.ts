// A chip made of files and stub tools (test/drivers/data/gpio): what the driver runs are real processes behind real pipes, only the kernel is missing.
import { execFileSync } from "node:child_process";
import {
  closeSync,
  constants,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Timers } from "#drivers/driver.ts";
import type { Dialect } from "#drivers/gpio/parse.ts";
import type { GpioHost } from "#drivers/gpio/tools.ts";
import { until } from "../harness.ts";

const DATA = join(import.meta.dirname, "../data/gpio");
const LINES = 8;

/** Waits on processes take real time, while the clock of the test stands still. */
export const realTimers: Timers = {
  after: (delayMs, callback) => {
    const timer = setTimeout(callback, delayMs);
    return () => clearTimeout(timer);
  },
};

export interface StubChip {
  readonly tools: string;
  readonly host: GpioHost;
  appear(): void;
  vanish(): void;
  pull(line: number, level: 0 | 1): void;
  /** Lets the gpiomon whose first line this is print an edge of `line`. */
  edge(monitor: number, line: number, level: 0 | 1, stampMs: number): void;
  /** Lets it print anything. */
  print(monitor: number, text: string): void;
  /** The driven value, or null. */
  driven(line: number): string | null;
  /** All values that were driven, in order. */
  history(line: number): string;
  holder(line: number): string | null;
  /** Somebody else takes the line. */
  occupy(line: number): void;
  free(line: number): void;
  dispose(): void;
}

const read = (path: string): string | null => (existsSync(path) ? readFileSync(path, "utf8").trim() : null);

const eventText = (dialect: Dialect, line: number, level: 0 | 1, stampMs: number): string => {
  const seconds = Math.floor(stampMs / 1000);
  const nanoseconds = String(Math.round((stampMs % 1000) * 1e6)).padStart(9, "0");
  if (dialect === 2)
    return `${seconds}.${nanoseconds}\t${level ? "rising" : "falling"}\tgpiochip0 ${line} "x"\n`;
  const padded = `${seconds}.${nanoseconds}`.padStart(18);
  return `event: ${level ? " RISING" : "FALLING"} EDGE offset: ${line} timestamp: [${padded}]\n`;
};

export const createStubChip = (dialect: Dialect): StubChip => {
  const root = mkdtempSync(join(tmpdir(), "petrel-stub-"));
  const at = (...path: string[]): string => join(root, ...path);
  cpSync(join(DATA, "common.sh"), at("common.sh"));
  cpSync(join(DATA, `v${dialect}`), at("tools"), { recursive: true });
  for (const folder of ["state", "devices", "temporary"]) mkdirSync(at(folder));
  const fifos = Array.from({ length: LINES }, (_, line) => {
    execFileSync("mkfifo", [at("state", `events${line}`)]);
    return openSync(at("state", `events${line}`), constants.O_RDWR | constants.O_NONBLOCK);
  });
  const print = (monitor: number, text: string): void => void writeSync(fifos[monitor] ?? -1, text);
  return {
    tools: at("tools"),
    host: {
      devices: at("devices"),
      processes: "/proc",
      sysfs: "/nonexistent",
      temporary: at("temporary"),
      timers: realTimers,
    },
    appear: () => writeFileSync(at("devices", "gpiochip0"), ""),
    vanish: () => rmSync(at("devices", "gpiochip0")),
    pull: (line, level) => writeFileSync(at("state", `pull${line}`), String(level)),
    print,
    edge: (monitor, line, level, stampMs) => print(monitor, eventText(dialect, line, level, stampMs)),
    driven: (line) => read(at("state", `out${line}`)),
    history: (line) => read(at("state", `history${line}`))?.replaceAll("\n", "") ?? "",
    holder: (line) => read(at("state", `consumer${line}`)),
    occupy: (line) => writeFileSync(at("state", `consumer${line}`), "somebody"),
    free: (line) => rmSync(at("state", `consumer${line}`)),
    dispose: () => {
      for (const fifo of fifos) closeSync(fifo);
      rmSync(root, { recursive: true, force: true });
    },
  };
};

/** Processes whose command line has all these words, as `pid` strings. */
export const processesWith = (...words: readonly string[]): string[] =>
  readdirSync("/proc").filter((pid) => {
    if (!/^\d+$/.test(pid)) return false;
    try {
      const line = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
      return words.every((word) => line.some((part) => part.includes(word)));
    } catch {
      return false;
    }
  });

/** Ends what is left of a chip's processes (guards that hold a safe value), and waits until they are gone. */
export const endProcesses = async (tools: string): Promise<void> => {
  for (const pid of processesWith(tools)) {
    try {
      process.kill(Number(pid), "SIGTERM");
    } catch {
      // Gone already.
    }
  }
  await until(() => processesWith(tools).length === 0, "no process to be left");
};
