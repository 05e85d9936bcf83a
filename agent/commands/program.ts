// Runs an allow-listed program: an argument list, never a shell; a time limit; bounded output; only a small environment.
import { type ChildProcess, spawn } from "node:child_process";
import type { Timers } from "#agent/runtime.ts";
import { PROGRAM_KILL_AFTER_MS, PROGRAM_OUTPUT_BYTES_MAX } from "./limits.ts";

export interface ProgramCall {
  readonly program: string;
  readonly args: readonly string[];
  readonly timeoutMs: number;
  /** PATH and LANG at most: nothing of the agent's own, which may hold secrets. */
  readonly environment: Readonly<Record<string, string>>;
  /** Sends a signal to the program and to what it started. */
  readonly killGroup: (pid: number, signal: "SIGTERM" | "SIGKILL") => void;
  /** The agent stops: the program ends as if its time were over. */
  readonly signal: AbortSignal;
}

export interface ProgramResult {
  readonly ok: boolean;
  /** Its output and how it ended, for a reply. */
  readonly text: string;
}

interface Output {
  bytes: number;
  readonly chunks: Uint8Array[];
}

const collect = (output: Output, chunk: Uint8Array): void => {
  const room = PROGRAM_OUTPUT_BYTES_MAX - output.bytes;
  if (room > 0) output.chunks.push(chunk.subarray(0, room));
  output.bytes += chunk.length;
};

const outputText = ({ bytes, chunks }: Output): string => {
  const text = new TextDecoder().decode(Buffer.concat(chunks)).trimEnd();
  const more = bytes - PROGRAM_OUTPUT_BYTES_MAX;
  return more > 0 ? `${text}\n(${more} more bytes)` : text;
};

const resultOf = (
  output: Output,
  end: { code: number | null; signal: string | null; stopped: string | null },
): ProgramResult => {
  const { code, signal, stopped } = end;
  const ending = stopped ?? (signal === null ? `exit code ${code}` : `ended by ${signal}`);
  const ok = code === 0 && stopped === null;
  return {
    ok,
    text: [outputText(output), ok ? "" : ending].filter((line) => line !== "").join("\n") || "done",
  };
};

/** Ends the group politely, and surely a while later; `why` is what the reply says. */
const createEnd = (child: ChildProcess, call: ProgramCall, timers: Timers) => {
  let stopped: string | null = null;
  const kill = (signal: "SIGTERM" | "SIGKILL"): void => {
    if (child.pid !== undefined) call.killGroup(child.pid, signal);
  };
  let cancel = (): void => undefined;
  const end = (why: string): void => {
    if (stopped !== null) return;
    stopped = why;
    kill("SIGTERM");
    cancel = timers.after(PROGRAM_KILL_AFTER_MS, () => kill("SIGKILL"));
  };
  const aborted = (): void => end("stopped, since the device stops");
  const cancelTimeout = timers.after(call.timeoutMs, () => end(`stopped after ${call.timeoutMs} ms`));
  call.signal.addEventListener("abort", aborted, { once: true });
  if (call.signal.aborted) aborted();
  return {
    why: (): string | null => stopped,
    release: (): void => {
      cancelTimeout();
      cancel();
      call.signal.removeEventListener("abort", aborted);
    },
  };
};

/** Never rejects: a program that cannot be started is a result too. */
export const runProgram = (call: ProgramCall, timers: Timers): Promise<ProgramResult> =>
  new Promise((resolve) => {
    // A group of its own: what the program started is ended with it.
    const child = spawn(call.program, call.args, {
      cwd: "/",
      env: { ...call.environment },
      stdio: ["ignore", "pipe", "pipe"],
      detached: true,
    });
    const output: Output = { bytes: 0, chunks: [] };
    const end = createEnd(child, call, timers);
    const finish = (result: ProgramResult): void => {
      end.release();
      resolve(result);
    };
    child.stdout.on("data", (chunk: Uint8Array) => collect(output, chunk));
    child.stderr.on("data", (chunk: Uint8Array) => collect(output, chunk));
    child.on("error", (error) =>
      finish({ ok: false, text: `${call.program} cannot be started: ${error.message}` }),
    );
    child.on("close", (code, signal) => finish(resultOf(output, { code, signal, stopped: end.why() })));
  });
