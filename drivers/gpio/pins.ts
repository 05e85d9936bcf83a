// The pins as one thing that can be opened and lost: chooses the backend when it is first opened, and keeps it.
import { type DriverContext, DriverError } from "../driver.ts";
import type { Connection } from "../reconnect.ts";
import type { Backend, BackendEvents } from "./backend.ts";
import type { Input } from "./input.ts";
import { detectDialect, Libgpiod } from "./libgpiod.ts";
import type { GpioOptions, OutputOptions } from "./options.ts";
import type { Dialect } from "./parse.ts";
import { Sysfs } from "./sysfs.ts";
import type { GpioHost } from "./tools.ts";

const chooseBackend = async (options: GpioOptions, parts: PinParts): Promise<Backend> => {
  const { host, context, events } = parts;
  const libgpiod = (): Backend => new Libgpiod({ options, inputs: parts.inputs, host, context, events });
  // sysfs has no debounce of its own, as libgpiod 1.
  const sysfs = (): Backend => new Sysfs({ options, inputs: parts.inputs(1), host, context, events });
  if (options.backend === "libgpiod") return libgpiod();
  if (options.backend === "sysfs") return sysfs();
  const program = options.tools === undefined ? "gpiodetect" : `${options.tools}/gpiodetect`;
  const found = await detectDialect(program, host.timers ?? context.timers).catch(() => null);
  return found === null ? sysfs() : libgpiod();
};

export interface PinParts {
  readonly host: GpioHost;
  readonly context: DriverContext;
  readonly events: BackendEvents;
  /** Made once: counts go on when the chip was gone for a while. */
  readonly inputs: (dialect: Dialect) => readonly Input[];
}

export class Pins implements Connection {
  readonly #options: GpioOptions;
  readonly #parts: PinParts;
  #backend: Backend | null = null;
  #stopping = false;
  #opened = false;
  #fault: DriverError | null = null;

  constructor(options: GpioOptions, parts: PinParts) {
    this.#options = options;
    this.#parts = parts;
  }

  async open(): Promise<void> {
    this.#fault = null;
    this.#backend ??= await chooseBackend(this.#options, this.#parts);
    await this.#backend.open();
    this.#opened = true;
    if (this.#fault !== null) throw this.#fault;
  }

  /** Something went wrong behind an open line. While the others are still being opened it makes the opening fail. */
  fault(reason: DriverError, lost: (reason: DriverError) => void): void {
    if (this.#opened) lost(reason);
    else this.#fault ??= reason;
  }

  async close(): Promise<void> {
    this.#opened = false;
    if (this.#stopping) await this.#backend?.close();
    else await this.#backend?.suspend();
  }

  stopping(): void {
    this.#stopping = true;
  }

  async drive(output: OutputOptions, level: 0 | 1): Promise<void> {
    if (this.#backend === null)
      throw new DriverError("UNAVAILABLE", `${output.name}: the driver does not run; nothing was changed`);
    await this.#backend.drive(output, level);
  }
}
