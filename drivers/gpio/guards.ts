// What happens when the agent dies: nobody is left to drive an output to its safe value or to end gpiomon. So each output is driven, and each gpiomon
// is run, by a small shell that holds one end of a pipe to the agent; the kernel closes the agent's end however it dies, `kill -9` included.
//
//   agent ==pipe==> sh (output guard) --> gpioset ... relay=1      end of the pipe: gpioset ends, gpioset ... relay=<safe> begins, and stays
//   agent ==pipe==> sh (watch guard)  --> gpiomon ...              end of the pipe: gpiomon ends, the shell too
//
// Nothing here needs more than a POSIX shell (dash, busybox). An output guard that was left (its agent died, or stopped the driver) is found by the next
// driver in /proc, by its command line and by its standard input, which is then /dev/null; it is told to let go (SIGTERM) before the line is taken over.
import { type ChildProcess, spawn } from "node:child_process";
import { readdir, readFile, readlink } from "node:fs/promises";
import { join } from "node:path";
import type { Timers } from "../driver.ts";
import { READY_POLL_MS, RELEASE_LIMIT_MS } from "./limits.ts";
import { type GpioHost, poll, runTool } from "./tools.ts";

/** Marks a guard in the process list: `sh -c <script> petrel-gpio-guard <line> <safe> <hold|release> <program> ...`. */
export const OUTPUT_GUARD = "petrel-gpio-guard";
const WATCH_GUARD = "petrel-gpio-watch";

// `drive 0|1` replaces the process that holds the line; between the two the kernel has it for some milliseconds.
// A failed write to the agent (SIGPIPE) must not end the guard; SIGINT and SIGHUP of a terminal are the agent's business.
const OUTPUT_SCRIPT = `
trap '' PIPE INT HUP
trap 'drop; exit 0' TERM
safe=$2 after=$3; shift 3
child= now=
drop() {
  if [ -n "$child" ]; then kill "$child" 2>/dev/null; wait "$child" 2>/dev/null; fi
  child=
}
drive() {
  now=$1; shift
  drop
  "$@$now" </dev/null &
  child=$!
  echo "$child $now" 2>/dev/null
}
while IFS= read -r word; do
  case $word in
    0|1) drive "$word" "$@" ;;
    release) drop; exit 0 ;;
  esac
done
exec </dev/null >/dev/null 2>&1
[ "$now" = "$safe" ] && kill -0 "$child" || drive "$safe" "$@"
[ "$after" = hold ] && wait "$child"
drop
`;

// Two waits are needed and a shell has one: a subshell waits for the pipe's end and ends gpiomon, this one waits for gpiomon.
const WATCH_SCRIPT = `
trap '' PIPE INT HUP
shift
exec 3<&0
"$@" </dev/null 3<&- &
child=$!
( exec >/dev/null; while IFS= read -r _; do :; done <&3; kill "$child" 2>/dev/null ) &
watcher=$!
exec 3<&- 0</dev/null
wait "$child"
code=$?
kill "$watcher" 2>/dev/null
exit $code
`;

const shell = (script: string, args: readonly string[], stdout: "pipe" | number): ChildProcess =>
  spawn("sh", ["-c", script, ...args], { stdio: ["pipe", stdout, "pipe"], detached: true });

/** A guard's process as the driver sees it. */
export interface Guard {
  readonly child: ChildProcess;
  /** What it and its tool have complained of so far. */
  errors(): string;
}

const guardOf = (child: ChildProcess): Guard => {
  let errors = "";
  child.stderr?.on("data", (chunk: Buffer) => {
    errors = (errors + chunk.toString()).slice(-1_000);
  });
  // The pipe may be broken when a last word is written into it.
  child.stdin?.on("error", () => undefined);
  return { child, errors: () => errors };
};

/** Runs gpiomon so that it ends with the agent; its output goes to `writeFd`. */
export const startWatchGuard = (program: string, args: readonly string[], writeFd: number): Guard =>
  guardOf(shell(WATCH_SCRIPT, [WATCH_GUARD, "-", program, ...args], writeFd));

export interface OutputGuardSettings {
  /** Which line it holds, for the next agent to find it. */
  readonly key: string;
  readonly safe: 0 | 1;
  readonly afterStop: "hold" | "release";
  readonly program: string;
  /** All arguments; the value is appended to the last one (`0=`). */
  readonly args: readonly string[];
}

/** Starts a guard that drives nothing yet. */
export const startOutputGuard = (settings: OutputGuardSettings): Guard => {
  const { key, safe, afterStop, program, args } = settings;
  return guardOf(
    shell(OUTPUT_SCRIPT, [OUTPUT_GUARD, key, String(safe), afterStop, program, ...args], "pipe"),
  );
};

const commandLine = async (host: GpioHost, pid: string): Promise<string[]> => {
  const text = await readFile(join(host.processes, pid, "cmdline"), "utf8").catch(() => "");
  return text.split("\0");
};

export const isAlive = async (host: GpioHost, pid: number): Promise<boolean> => {
  const stat = await readFile(join(host.processes, String(pid), "stat"), "utf8").catch(() => "");
  // 1234 (sh) S 1 ...: the name may hold blanks and brackets, so what follows the last bracket counts (proc(5)). A zombie has let go.
  return stat !== "" && !stat.slice(stat.lastIndexOf(")") + 2).startsWith("Z");
};

const isLeft = async (host: GpioHost, pid: string, keys: ReadonlySet<string>): Promise<boolean> => {
  const words = await commandLine(host, pid);
  const at = words.indexOf(OUTPUT_GUARD);
  if (at < 0 || !keys.has(words[at + 1] ?? "")) return false;
  const input = await readlink(join(host.processes, pid, "fd/0")).catch(() => "");
  return input === "/dev/null" && (await isAlive(host, Number(pid)));
};

/** Tells guards of these lines that were left to let go, and waits until they have. Their number. */
export const releaseLeft = async (
  host: GpioHost,
  keys: ReadonlySet<string>,
  timers: Timers,
): Promise<number> => {
  if (keys.size === 0) return 0;
  const pids = (await readdir(host.processes).catch(() => [])).filter((name) => /^\d+$/.test(name));
  const found = await Promise.all(pids.map((pid) => isLeft(host, pid, keys)));
  const left = pids.filter((_, index) => found[index] === true);
  for (const pid of left) await runTool("sh", ["-c", 'kill -TERM "$1"', "sh", pid], timers);
  const gone = async (): Promise<boolean> => {
    const alive = await Promise.all(left.map((pid) => isAlive(host, Number(pid))));
    return !alive.includes(true);
  };
  await poll(gone, timers, { everyMs: READY_POLL_MS, limitMs: RELEASE_LIMIT_MS });
  return left.length;
};
