// One gpiomon: some lines of one chip that share their settings. Starts it behind a guard and a FIFO, waits until it watches, hands on its edges.
import { DriverError, type Timers } from "../driver.ts";
import { openFifo } from "./fifo.ts";
import { type Guard, startWatchGuard } from "./guards.ts";
import { EVENT_CHARS_MAX, READY_LIMIT_MS, READY_POLL_MS, RELEASE_LIMIT_MS } from "./limits.ts";
import { type Dialect, type Edge, isBanner, parseEdge } from "./parse.ts";
import { complaint, type GpioHost, poll, toolError } from "./tools.ts";

export interface MonitorSettings {
  readonly dialect: Dialect;
  readonly program: string;
  readonly args: readonly string[];
  /** For errors: the chip and the lines. */
  readonly place: string;
  readonly host: GpioHost;
  readonly timers: Timers;
  /** Version 1 does not say when it watches: the kernel's list of lines is asked. */
  readonly watched: () => Promise<boolean>;
}

export interface MonitorEvents {
  /** The edges of one read, in order. */
  edges(edges: readonly Edge[]): void;
  garbled(text: string): void;
  /** It ended although nobody asked for it. */
  ended(reason: DriverError): void;
}

export interface Monitor {
  stop(): Promise<void>;
}

/** Splits what arrives into lines; what is too long to be an event is garbled. */
const createSplitter = (take: (lines: readonly string[]) => void): ((chunk: Buffer) => void) => {
  let rest = "";
  return (chunk) => {
    const lines = (rest + chunk.toString("latin1")).split("\n");
    rest = (lines.pop() ?? "").slice(0, EVENT_CHARS_MAX);
    if (lines.length > 0) take(lines);
  };
};

const exitOf = ({ child }: Guard): Promise<void> =>
  new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) resolve();
    child.once("exit", () => resolve());
    child.once("error", () => resolve());
  });

const stopGuard = async (guard: Guard, ended: Promise<void>, timers: Timers): Promise<void> => {
  guard.child.stdin?.end();
  const cancel = timers.after(RELEASE_LIMIT_MS, () => guard.child.kill("SIGKILL"));
  await ended;
  cancel();
};

export const startMonitor = async (settings: MonitorSettings, events: MonitorEvents): Promise<Monitor> => {
  const { dialect, timers, place } = settings;
  const fifo = await openFifo(settings.host.temporary, timers);
  const guard = startWatchGuard(settings.program, settings.args, fifo.writeFd);
  const ended = exitOf(guard);
  let [bannered, over, stopping] = [false, false, false];
  const take = (lines: readonly string[]): void => {
    const edges: Edge[] = [];
    for (const line of lines) {
      const edge = parseEdge(dialect, line);
      if (edge !== null) edges.push(edge);
      else if (isBanner(line)) bannered = true;
      else if (line !== "") events.garbled(line);
    }
    if (edges.length > 0) events.edges(edges);
  };
  fifo.reader.on("data", createSplitter(take));
  fifo.reader.on("error", () => undefined);
  await fifo.closeWriter();

  const stop = async (): Promise<void> => {
    stopping = true;
    await stopGuard(guard, ended, timers);
    fifo.reader.destroy();
  };
  const failure = (): DriverError => toolError(place, complaint(guard.errors()));
  void ended.then(() => {
    over = true;
    if (!stopping) events.ended(failure());
  });
  const isReady = async (): Promise<boolean> => over || (dialect === 2 ? bannered : await settings.watched());
  const ready = await poll(isReady, timers, { everyMs: READY_POLL_MS, limitMs: READY_LIMIT_MS });
  if (ready && !over) return { stop };
  await stop();
  throw over ? failure() : new DriverError("TIMEOUT", `${place}: gpiomon does not begin to watch`);
};
