// The outside, as the composition root sees it: everything that only main.ts may touch, handed to the command line and from there to what needs it.

import type { ProcessSource } from "./metrics/figures.ts";
import type { Clock, Random, Timers } from "./runtime.ts";
import type { WorkerSource } from "./store/checkpoint.ts";

export interface Terminal {
  write(text: string): void;
  readonly isTty: boolean;
  readonly columns: number;
}

export interface Outside {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly stdout: Terminal;
  readonly stderr: Terminal;
  readonly stdin: NodeJS.ReadableStream & { readonly isTTY?: boolean };
  readonly pid: number;
  readonly superuser: boolean;
  /** The kernel's ID of this boot. */
  readonly bootId: string;
  readonly worker: WorkerSource;
  readonly killGroup: (pid: number, signal: "SIGTERM" | "SIGKILL") => void;
  /** Calls back on SIGINT, SIGTERM, SIGHUP, and "SIGPIPE" when nobody reads standard output any longer, until the returned call. */
  readonly onSignal: (listener: (signal: string) => void) => () => void;
  /** Calls back with what nobody caught, instead of ending the process on the spot, until the returned call. */
  readonly onUncaught: (listener: (error: unknown) => void) => () => void;
  /** Sets the mask of new files; gives the one before. */
  readonly umask: (mask: number) => number;
  /** The start is over: keeps the code that it compiled for the next one, and gives the memory back that only it needed. Holds the loop for some 40 ms on a slow board. */
  readonly settle: () => void;
  /** The process itself, in numbers. */
  readonly process: ProcessSource;
}
