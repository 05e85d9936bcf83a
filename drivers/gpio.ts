// The gpio driver: pins. Inputs become readings at each edge, with the kernel's own time, or counts; outputs are written by name and are at their safe
// value at the start, after the stop, while the link is lost (where asked for) and when the agent is killed.
//
//   pins:
//     type: gpio
//     inputs:
//       - { name: door, line: door, bias: pull_up, active_low: true, debounce_ms: 20 }
//       - { name: rain/total, line: rain, edges: falling, count: { scale: 0.2794, unit: mm } }
//     outputs:
//       - { name: pump, line: pump, safe: 0 }
//
//   backend (libgpiod.ts | sysfs.ts) --edges--> input.ts --readings--> outflow.ts --> emit
//   write(), link() --> backend.drive
import { tmpdir } from "node:os";
import { createDiscardReporter } from "./discards.ts";
import {
  type Driver,
  type DriverContext,
  DriverError,
  type DriverKind,
  type WriteRequest,
} from "./driver.ts";
import type { BackendEvents } from "./gpio/backend.ts";
import { createInput, type Input } from "./gpio/input.ts";
import { type GpioOptions, gpioSchema, type OutputOptions } from "./gpio/options.ts";
import type { Dialect } from "./gpio/parse.ts";
import { Pins } from "./gpio/pins.ts";
import { createInputClock, createLinkWatch, type InputClock } from "./gpio/timers.ts";
import type { GpioHost } from "./gpio/tools.ts";
import { createOutflow, type Outflow } from "./outflow.ts";
import { createReconnector } from "./reconnect.ts";

const WORDS: Readonly<Record<string, 0 | 1>> = {
  "1": 1,
  on: 1,
  true: 1,
  high: 1,
  active: 1,
  "0": 0,
  off: 0,
  false: 0,
  low: 0,
  inactive: 0,
};

const levelOf = ({ target, payload }: WriteRequest): 0 | 1 => {
  const word = new TextDecoder().decode(payload.subarray(0, 32)).trim().toLowerCase();
  const level = WORDS[word];
  if (level === undefined)
    throw new DriverError(
      "MALFORMED",
      `${target}: expected on or off (1 or 0, true or false), found "${word}"`,
    );
  return level;
};

/** Inputs are made once, when the backend is known: counts go on when the chip was gone for a while. */
const createInputs = ({ inputs }: GpioOptions): ((dialect: Dialect) => readonly Input[]) => {
  let made: readonly Input[] | null = null;
  return (dialect) => {
    made ??= inputs.map((input) => createInput(input, dialect === 1 ? input.debounce_ms : 0));
    return made;
  };
};

/** What the pins report, as readings. All but `lost`, which is the driver's. */
const createEvents = (
  context: DriverContext,
  outflow: Outflow,
  clock: InputClock,
): Omit<BackendEvents, "lost"> => {
  const report = createDiscardReporter(context);
  const message = "gpiomon printed something else than an edge";
  return {
    begin: (input, level, monoMs) => {
      const readings = input.begin(level, monoMs);
      if (readings.length > 0) outflow.offer(readings);
      clock.count(input);
    },
    edge: (input, level, monoMs) => clock.take(input, input.edge(level, monoMs)),
    driven: ({ name }, level) =>
      void outflow.offer([{ name, value: level === 1, monoMs: context.clock.monoMs() }]),
    garbled: (text) => report({ counter: "malformed", message, sample: Buffer.from(text), level: "warn" }),
  };
};

const findOutput = ({ outputs }: GpioOptions, target: string): OutputOptions => {
  const output = outputs.find(({ name }) => name === target);
  if (output !== undefined) return output;
  const known = outputs.map(({ name }) => name).join(", ") || "(none)";
  throw new DriverError("CONFIG", `"${target.slice(0, 80)}" is no output: expected one of ${known}`);
};

const createGpio = (options: GpioOptions, context: DriverContext, host: GpioHost): Driver => {
  const outflow = createOutflow(context);
  const clock = createInputClock(context, (readings) => void outflow.offer(readings));
  const events: BackendEvents = {
    ...createEvents(context, outflow, clock),
    lost: (reason) => pins.fault(reason, (lost) => keeper.lost(lost)),
  };
  const pins = new Pins(options, { host, context, events, inputs: createInputs(options) });
  const keeper = createReconnector("gpio", pins, context);
  const watch = createLinkWatch(options.outputs, context, (output) => {
    pins.drive(output, output.safe).catch((error: unknown) => {
      context.log.warn(
        { output: output.name, error },
        "the link is lost, and the output could not be made safe",
      );
    });
  });
  return {
    start: async () => keeper.start(),
    async stop() {
      pins.stopping();
      watch.stop();
      await keeper.stop();
      clock.stop();
      await outflow.stop();
    },
    async write(request) {
      const output = findOutput(options, request.target);
      await pins.drive(output, levelOf(request));
    },
    link: watch.link,
  };
};

/** The driver on a given host: the device itself, or a test's folders. */
export const createGpioKind = (host: GpioHost): DriverKind<GpioOptions> => ({
  kind: "gpio",
  schema: gpioSchema,
  create: (_name, options, context) => createGpio(options, context, host),
});

export const gpio: DriverKind<GpioOptions> = createGpioKind({
  devices: "/dev",
  processes: "/proc",
  sysfs: "/sys/class/gpio",
  temporary: tmpdir(),
});
