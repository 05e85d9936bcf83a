// Runs an allow-listed program: an argument list, never a shell; a time limit; bounded output; only a small environment.
import { spawn } from "node:child_process";
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
  end: { code: number | null; signal: string | null; timedOut: boolean },
  timeoutMs: number,
): ProgramResult => {
  const { code, signal, timedOut } = end;
  const ending = timedOut
    ? `stopped after ${timeoutMs} ms`
    : signal === null
      ? `exit code ${code}`
      : `ended by ${signal}`;
  const ok = code === 0 && !timedOut;
  return {
    ok,
    text: [outputText(output), ok ? "" : ending].filter((line) => line !== "").join("\n") || "done",
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
    let timedOut = false;
    const end = (signal: "SIGTERM" | "SIGKILL"): void => {
      if (child.pid !== undefined) call.killGroup(child.pid, signal);
    };
    const timeout = timers.after(call.timeoutMs, () => {
      timedOut = true;
      end("SIGTERM");
    });
    const kill = timers.after(call.timeoutMs + PROGRAM_KILL_AFTER_MS, () => end("SIGKILL"));
    const finish = (result: ProgramResult): void => {
      timeout();
      kill();
      resolve(result);
    };
    child.stdout.on("data", (chunk: Uint8Array) => collect(output, chunk));
    child.stderr.on("data", (chunk: Uint8Array) => collect(output, chunk));
    child.on("error", (error) =>
      finish({ ok: false, text: `${call.program} cannot be started: ${error.message}` }),
    );
    child.on("close", (code, signal) => finish(resultOf(output, { code, signal, timedOut }, call.timeoutMs)));
  });
