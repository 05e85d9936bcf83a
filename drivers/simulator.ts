// Driver `simulator`: a device that is not there, for demos, tests and first steps: a drone or a weather station with plausible signals.
//
//   drone: { type: simulator, model: drone, seed: 7, interval_ms: 500 }      write `relay` on|off|toggle, or `mode` AUTO
//
// The signals are pure functions of (seed, time) in simulator/; only what was written to the device is state, and it shows as readings.
import * as z from "zod";
import {
  type Driver,
  type DriverContext,
  DriverError,
  type DriverKind,
  type WriteRequest,
} from "./driver.ts";
import { isReadingName } from "./mapping.ts";
import { createOutflow } from "./outflow.ts";
import { droneAt } from "./simulator/drone.ts";
import type { Signal, SimulatedPlace } from "./simulator/signal.ts";
import { weatherAt } from "./simulator/weather.ts";
import { createTicker } from "./ticker.ts";

export interface SimulatorOptions {
  readonly model: "drone" | "weather";
  readonly seed: number;
  readonly interval_ms: number;
  readonly prefix: string;
  readonly home: SimulatedPlace;
}

/** What was written to the simulated device. A mode replaces the one of the flight plan, until `AUTO` is written. */
interface Settings {
  relay: boolean;
  mode: string | null;
}

const MODE = /^[A-Z][A-Z0-9_]{0,15}$/;

const RELAY: Readonly<Record<string, (before: boolean) => boolean>> = {
  on: () => true,
  "1": () => true,
  true: () => true,
  off: () => false,
  "0": () => false,
  false: () => false,
  toggle: (before) => !before,
};

const refused = (what: string): DriverError => new DriverError("REFUSED", `simulator: ${what}`);

const writeRelay = (settings: Settings, word: string): void => {
  const next = Object.hasOwn(RELAY, word.toLowerCase()) ? RELAY[word.toLowerCase()] : undefined;
  if (next === undefined) throw refused(`relay takes on, off or toggle, found "${word.slice(0, 20)}"`);
  settings.relay = next(settings.relay);
};

const writeMode = (settings: Settings, word: string): void => {
  const mode = word.toUpperCase();
  if (!MODE.test(mode))
    throw refused(`mode takes a word such as AUTO, LOITER or RTL, found "${word.slice(0, 20)}"`);
  settings.mode = mode === "AUTO" ? null : mode;
};

const apply = (settings: Settings, { target, payload }: WriteRequest): void => {
  const word = Buffer.from(payload).toString("utf8").trim();
  if (target === "relay") writeRelay(settings, word);
  else if (target === "mode") writeMode(settings, word);
  else throw refused(`there is no target "${target.slice(0, 40)}"; there are relay and mode`);
};

const droneSignals = (options: SimulatorOptions, timeS: number, settings: Settings): Signal[] => [
  ...droneAt(options.seed, timeS, options.home).map((signal) =>
    signal.name === "mode" && settings.mode !== null ? { ...signal, value: settings.mode } : signal,
  ),
  { name: "relay", value: settings.relay },
];

const create = (_name: string, options: SimulatorOptions, context: DriverContext): Driver => {
  const outflow = createOutflow(context);
  const settings: Settings = { relay: false, mode: null };
  const isDrone = options.model === "drone";
  let startMs = 0;
  let running = false;

  const sample = async (): Promise<void> => {
    const monoMs = context.clock.monoMs();
    const timeS = (monoMs - startMs) / 1_000;
    const signals = isDrone ? droneSignals(options, timeS, settings) : weatherAt(options.seed, timeS);
    outflow.offer(signals.map((signal) => ({ ...signal, name: `${options.prefix}${signal.name}`, monoMs })));
  };

  const write = async (request: WriteRequest): Promise<void> => {
    if (!running) throw new DriverError("CLOSED", "simulator: not running; what was to be sent is not sent");
    apply(settings, request);
    // The effect is seen at once, not at the next interval.
    await sample();
  };

  const ticker = createTicker(context, options.interval_ms, sample);
  let stopped = false;
  return {
    start: async () => {
      if (stopped || running) return;
      running = true;
      startMs = context.clock.monoMs();
      context.state("up");
      ticker.start();
    },
    stop: async () => {
      running = false;
      if (!stopped) context.state("stopped");
      stopped = true;
      await ticker.stop();
      await outflow.stop();
    },
    ...(isDrone ? { write } : {}),
  };
};

export const simulator: DriverKind<SimulatorOptions> = {
  kind: "simulator",
  schema: z.strictObject({
    model: z
      .enum(["drone", "weather"])
      .default("drone")
      .describe(
        "drone: flies a circuit every ten minutes; takes writes to relay and mode. weather: a weather station.",
      ),
    seed: z
      .int()
      .min(0)
      .max(2_147_483_647)
      .default(1)
      .describe("Another seed gives another flight, the same seed the same one."),
    interval_ms: z.int().min(20).max(3_600_000).default(1_000).describe("Milliseconds between two samples."),
    prefix: z
      .string()
      .max(64)
      .refine((prefix) => prefix === "" || isReadingName(prefix), {
        error: 'expected the beginning of a reading\'s name, such as "drone1/"',
      })
      .default("")
      .describe("Put before every name, for more than one simulator: drone1/ gives drone1/battery/voltage."),
    home: z
      .strictObject({
        lat: z.number().min(-85).max(85).describe("Latitude in degrees."),
        lon: z.number().min(-180).max(180).describe("Longitude in degrees."),
        alt: z.number().min(-500).max(9_000).default(0).describe("Metres above the sea."),
      })
      .default({ lat: 48.1173, lon: 11.5167, alt: 545 })
      .describe("Where the drone takes off."),
  }),
  create,
};
