// The way to the pins through sysfs (/sys/class/gpio), for kernels that still have it and systems without libgpiod's tools. The package onoff is optional
// and loaded here only. Lines are numbers, which move between kernels; there is no kernel stamp, so edges carry the time of arrival. A value written to
// sysfs stays when its writer dies, so here the guard writes the safe value by itself.
import { type ChildProcess, spawn } from "node:child_process";
import { stat } from "node:fs/promises";
import { join } from "node:path";
import type { Gpio } from "onoff";
import { type DriverContext, DriverError } from "../driver.ts";
import type { Backend, BackendEvents } from "./backend.ts";
import type { Input } from "./input.ts";
import { CHECK_EVERY_MS } from "./limits.ts";
import type { GpioOptions, OutputOptions } from "./options.ts";
import { onoffError, pinError } from "./sysfs-errors.ts";
import type { GpioHost } from "./tools.ts";

export interface SysfsParts {
  readonly options: GpioOptions;
  readonly inputs: readonly Input[];
  readonly host: GpioHost;
  readonly context: DriverContext;
  readonly events: BackendEvents;
}

type Onoff = typeof import("onoff");

const GUARD_SCRIPT = `
trap '' PIPE INT HUP
while IFS= read -r _; do :; done
printf %s "$2" > "$1"
`;

interface Pin {
  readonly gpio: Gpio;
  readonly folder: string;
}

interface DrivenPin extends Pin {
  readonly output: OutputOptions;
  readonly guard: ChildProcess;
}

const load = async (backend: GpioOptions["backend"]): Promise<Onoff> => {
  try {
    const library = await import("onoff");
    return library;
  } catch (cause) {
    throw onoffError(cause, backend);
  }
};

const bit = (value: number): 0 | 1 => (value === 0 ? 0 : 1);

export class Sysfs implements Backend {
  readonly #parts: SysfsParts;
  #library: Onoff | null = null;
  #inputs: Pin[] = [];
  readonly #outputs = new Map<string, DrivenPin>();
  #cancelCheck: () => void = () => undefined;

  constructor(parts: SysfsParts) {
    this.#parts = parts;
  }

  async open(): Promise<void> {
    const { options, inputs } = this.#parts;
    this.#library ??= await load(options.backend);
    if (!this.#library.Gpio.accessible)
      throw new DriverError("UNAVAILABLE", "no /sys/class/gpio here: apt install gpiod, for its tools");
    for (const output of options.outputs)
      if (!this.#outputs.has(output.name)) this.#acquire(this.#library, output);
    for (const input of inputs) await this.#watch(this.#library, input);
    this.#check();
  }

  drive(output: OutputOptions, level: 0 | 1): Promise<void> {
    const pin = this.#outputs.get(output.name);
    if (pin === undefined)
      return Promise.reject(
        new DriverError(
          "UNAVAILABLE",
          `${output.name}: the line is not held at the moment; nothing was changed`,
        ),
      );
    return pin.gpio.write(level).then(
      () => this.#parts.events.driven(output, level),
      (error: unknown) => Promise.reject(pinError(output.name, output.line, error)),
    );
  }

  async suspend(): Promise<void> {
    this.#cancelCheck();
    for (const { gpio } of this.#inputs.splice(0)) this.#letGo(gpio);
    for (const [name, pin] of this.#outputs) {
      if (await this.#exists(pin)) continue;
      this.#outputs.delete(name);
      pin.guard.stdin?.end();
    }
  }

  async close(): Promise<void> {
    await this.suspend();
    for (const { gpio, output, guard } of this.#outputs.values()) {
      gpio.writeSync(output.safe);
      guard.stdin?.end();
      if (output.after_stop === "release") this.#letGo(gpio);
    }
    this.#outputs.clear();
  }

  // Unexporting a line whose chip is gone fails; there is nothing to let go of then.
  #letGo(gpio: Gpio): void {
    try {
      gpio.unwatchAll();
      gpio.unexport();
    } catch (error) {
      this.#parts.context.log.debug({ error }, "a line of sysfs could not be let go");
    }
  }

  #pin(
    library: Onoff,
    options: Input["options"] | OutputOptions,
    direction: "in" | "high" | "low",
    edge: "none" | "both" | "rising" | "falling",
  ): Pin {
    const { name, line, active_low } = options;
    if (typeof line !== "number")
      throw new DriverError(
        "CONFIG",
        `${name}: sysfs knows lines by number only; expected line: <number>, found "${line}"`,
      );
    try {
      const gpio = new library.Gpio(line, direction, edge, {
        activeLow: active_low,
        reconfigureDirection: true,
      });
      return { gpio, folder: join(this.#parts.host.sysfs, `gpio${line}`) };
    } catch (error) {
      throw pinError(name, line, error);
    }
  }

  #acquire(library: Onoff, output: OutputOptions): void {
    // The direction `high` or `low` sets the level in the same step, and means the voltage, whatever active_low says.
    const high = (output.safe === 1) !== output.active_low;
    const pin = this.#pin(library, output, high ? "high" : "low", "none");
    const args = [
      "-c",
      GUARD_SCRIPT,
      "petrel-gpio-sysfs-guard",
      join(pin.folder, "value"),
      String(output.safe),
    ];
    const guard = spawn("sh", args, { stdio: ["pipe", "ignore", "ignore"], detached: true });
    guard.stdin?.on("error", () => undefined);
    guard.unref();
    this.#outputs.set(output.name, { ...pin, output, guard });
    this.#parts.events.driven(output, output.safe);
  }

  async #watch(library: Onoff, input: Input): Promise<void> {
    const { events, context } = this.#parts;
    const edges = input.options.debounce_ms > 0 ? "both" : input.options.edges;
    const pin = this.#pin(library, input.options, "in", edges);
    this.#inputs.push(pin);
    events.begin(input, bit(await pin.gpio.read()), context.clock.monoMs());
    pin.gpio.watch((error, value) => {
      if (error) events.lost(pinError(input.options.name, input.options.line, error));
      else events.edge(input, bit(value), context.clock.monoMs());
    });
  }

  async #exists({ folder }: Pin): Promise<boolean> {
    return (await stat(folder).catch(() => null)) !== null;
  }

  #check(): void {
    this.#cancelCheck = this.#parts.context.timers.after(CHECK_EVERY_MS, () => void this.#inspect());
  }

  async #inspect(): Promise<void> {
    for (const pin of [...this.#inputs, ...this.#outputs.values()])
      if (!(await this.#exists(pin))) {
        this.#parts.events.lost(
          new DriverError("UNAVAILABLE", `${pin.folder}: the line is gone; is its chip there?`),
        );
        return;
      }
    this.#check();
  }
}
