// Runs one of libgpiod's tools to its end: bounded in time and output. Which program stands behind a name is the host's business.
import { spawn } from "node:child_process";
import { DriverError, type Timers } from "../driver.ts";
import { OUTPUT_BYTES_MAX, TOOL_LIMIT_MS } from "./limits.ts";

/** The outside of this driver: real on a device, a folder of stubs in a test. */
export interface GpioHost {
  /** Where chips are device files: /dev. */
  readonly devices: string;
  /** Where processes are listed: /proc. */
  readonly processes: string;
  /** Where sysfs lists its lines: /sys/class/gpio. */
  readonly sysfs: string;
  /** Where a FIFO may be made for a moment. */
  readonly temporary: string;
  /** For waits on processes, where the driver's own timers stand still (in tests). Left out: the driver's. */
  readonly timers?: Timers;
}

export interface ToolResult {
  readonly code: number | null;
  readonly output: string;
  readonly errors: string;
}

const missing = (program: string, cause: unknown): DriverError =>
  new DriverError(
    "UNAVAILABLE",
    `${program}: not found; install libgpiod's tools (Debian: apt install gpiod)`,
    { cause },
  );

/** Resolves with what it printed, whatever its exit code. Rejects when it cannot be started or does not end. */
export const runTool = (program: string, args: readonly string[], timers: Timers): Promise<ToolResult> =>
  new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"] });
    const texts = { output: "", errors: "" };
    const add = (into: "output" | "errors") => (chunk: Buffer) => {
      if (texts[into].length < OUTPUT_BYTES_MAX) texts[into] += chunk.toString();
    };
    child.stdout.on("data", add("output"));
    child.stderr.on("data", add("errors"));
    const cancel = timers.after(TOOL_LIMIT_MS, () => {
      child.kill("SIGKILL");
      reject(new DriverError("TIMEOUT", `${program} did not end within ${TOOL_LIMIT_MS / 1000} s`));
    });
    child.once("error", (error) => {
      cancel();
      reject(missing(program, error));
    });
    child.once("close", (code) => {
      cancel();
      resolve({ code, ...texts });
    });
  });

/** What a failed tool said, as one line without its own name. */
export const complaint = (errors: string): string =>
  errors
    .trim()
    .split("\n")
    .map((line) => line.replace(/^gpio\w+: /, ""))
    .join("; ")
    .slice(0, 300);

/** Turns a complaint of libgpiod's tools into an error for an operator. */
export const toolError = (place: string, said: string): DriverError => {
  if (/Device or resource busy/.test(said))
    return new DriverError(
      "BUSY",
      `${place}: another program holds the line (gpioinfo shows which): stop it`,
    );
  if (/Permission denied/.test(said))
    return new DriverError("DENIED", `${place}: no permission: add the agent's user to the group gpio`);
  return new DriverError("UNAVAILABLE", `${place}: ${said === "" ? "the tool ended without a word" : said}`);
};

/** Resolves once `done` says so, looking every `everyMs`; false after `limitMs`. */
export const poll = async (
  done: () => Promise<boolean>,
  timers: Timers,
  { everyMs, limitMs }: { readonly everyMs: number; readonly limitMs: number },
): Promise<boolean> => {
  let over = false;
  const cancel = timers.after(limitMs, () => {
    over = true;
  });
  try {
    while (!over) {
      if (await done()) return true;
      await new Promise<void>((resolve) => void timers.after(everyMs, resolve));
    }
    return false;
  } finally {
    cancel();
  }
};
