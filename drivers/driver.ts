// The contract of a driver: the one shape that the agent knows of serial lines, brokers, pins and simulators.
// A driver knows no room, no journal and no other driver. It is told what it may use (clock, timers, log) and hands readings up through `emit`.
//
//   agent --create(name, options, context)--> driver --start()--> [source] ... --emit(readings)--> agent
//                                             driver <--write(target, payload)-- agent (commands, bridge)
//
// The promise of `emit` is the whole of the delivery contract: it settles when the readings are durable or refused, and only then may the driver
// acknowledge its source (PUBACK, firmware ack). Where the configuration lets readings gather in memory (`delivery.flush`), a delivery without a receipt is
// answered earlier, as "accepted": so a driver that acknowledges its source gives a receipt with every delivery of which the source waits for that.
// A driver that cannot wait (a serial line) keeps a bounded buffer and counts what it had to drop.
import type { ZodType } from "zod";
import type { Reading } from "./reading.ts";

export type { Reading, Value } from "./reading.ts";

/** Names one delivery of the source, so that a redelivery after a crash is recognised: written in the transaction that writes the readings. */
export interface Receipt {
  /** Unique within the driver among deliveries that may still come again, 255 bytes at most. */
  readonly key: string;
  /** True when the source says that this may be a redelivery (MQTT's DUP flag): only then is the key looked up. */
  readonly maybeRepeated: boolean;
}

/** What became of a batch: stored and on the disk, in memory and on the disk within the flush interval, already known (nothing stored again), or refused with a reason for the log. */
export type EmitResult =
  | { readonly outcome: "durable" }
  | { readonly outcome: "accepted" }
  | { readonly outcome: "repeated" }
  | { readonly outcome: "refused"; readonly reason: string };

/** Wall and monotonic time, in milliseconds (fractions allowed). */
export interface Clock {
  wallMs(): number;
  monoMs(): number;
}

/** Timers as a parameter. `after` returns the call that cancels it. */
export interface Timers {
  after(delayMs: number, callback: () => void): () => void;
}

/** `length` random bytes. */
export type Random = (length: number) => Uint8Array;

/** A structured log: fields first, then one sentence. Never a secret, never a payload as a whole. */
export interface Log {
  debug(fields: Readonly<Record<string, unknown>>, message: string): void;
  info(fields: Readonly<Record<string, unknown>>, message: string): void;
  warn(fields: Readonly<Record<string, unknown>>, message: string): void;
  error(fields: Readonly<Record<string, unknown>>, message: string): void;
}

/** What an operator sees of a driver on the status card. */
export type DriverState = "starting" | "up" | "down" | "stopped";

/** Everything a driver may use of the outside. */
export interface DriverContext {
  readonly emit: (readings: readonly Reading[], receipt?: Receipt) => Promise<EmitResult>;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly log: Log;
  /** Reports a change of state, with a sentence for the operator when it is down ("/dev/ttyUSB0: no such file; plug it in"). */
  readonly state: (state: DriverState, detail?: string) => void;
  /** Counts what the operator should be able to see: `malformed`, `dropped`, `reconnects`, ... (adds 1 unless told). */
  readonly count: (counter: string, by?: number) => void;
}

/** Where a write goes, in the driver's own words: an MQTT topic, a GPIO line's name; byte sources have one target and ignore it. */
export interface WriteRequest {
  readonly target: string;
  readonly payload: Uint8Array;
  /** MQTT: quality of service and retain; ignored elsewhere. */
  readonly qos?: 0 | 1 | 2;
  readonly retain?: boolean;
}

export interface Driver {
  /** Opens the source. Resolves once the driver runs, even if the source is not there yet: reconnecting is the driver's business. Rejects only on a configuration that can never work. */
  start(): Promise<void>;
  /** Closes everything it opened; outputs go to their safe state; no emit after it resolves. Idempotent. */
  stop(): Promise<void>;
  /** Sends something to the device. Rejects with a `DriverError` that an operator can read when it cannot. Absent: the driver is read-only. */
  write?(request: WriteRequest): Promise<void>;
  /** The homeserver is (un)reachable: outputs with `safe_on: link_lost` act on it. */
  link?(up: boolean): void;
}

/** One kind of driver: its name in the configuration, the schema of its options, its factory. Each file of this folder exports one. */
export interface DriverKind<Options> {
  readonly kind: string;
  readonly schema: ZodType<Options>;
  create(name: string, options: Options, context: DriverContext): Driver;
}

export type DriverErrorCode =
  | "CONFIG"
  | "UNAVAILABLE"
  | "BUSY"
  | "DENIED"
  | "TIMEOUT"
  | "REFUSED"
  | "CLOSED"
  | "MALFORMED";

/** What went wrong between a driver and its device. The message is for an operator: what was expected, what was found, what to do. */
export class DriverError extends Error {
  readonly code: DriverErrorCode;
  constructor(code: DriverErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "DriverError";
    this.code = code;
  }
}
