// What the driver asks of a way to the pins, and what it hears from it. Two ways exist: libgpiod.ts (the character device) and sysfs.ts.
import type { DriverError } from "../driver.ts";
import type { Input } from "./input.ts";
import type { OutputOptions } from "./options.ts";

export interface BackendEvents {
  /** The level of an input before its watch began. */
  begin(input: Input, level: 0 | 1, monoMs: number): void;
  edge(input: Input, level: 0 | 1, monoMs: number): void;
  /** An output is driven to this value now. */
  driven(output: OutputOptions, level: 0 | 1): void;
  /** Output that could not be understood. */
  garbled(text: string): void;
  /** The chip or a process behind a line is gone. */
  lost(reason: DriverError): void;
}

export interface Backend {
  /** Watches all inputs and drives all outputs to their safe values. */
  open(): Promise<void>;
  /** Drives an output; resolves when the line is driven. Rejects with a `DriverError`. */
  drive(output: OutputOptions, level: 0 | 1): Promise<void>;
  /** Before another try: lets go of the inputs, and of outputs whose chip or process is gone. */
  suspend(): Promise<void>;
  /** For good: the inputs are let go, the outputs go to their safe values. */
  close(): Promise<void>;
}
