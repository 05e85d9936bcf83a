// The door through which every reading comes in (DESIGN 2, "shaping"): a driver's reading becomes a stamped reading, or is turned away and counted.
// Pure, so that it can be tested without a driver. What passes fits into an event that homeservers take, whatever a device sent: behind the door a
// reading that no event can hold would take its whole event, and some hundred readings with it, to the dead letters.

import type { Channel, Channels } from "#agent/telemetry/channels.ts";
import { plainBytes } from "#agent/telemetry/event.ts";
import { READINGS_BYTES_MAX, TIME_MS_MAX } from "#agent/telemetry/limits.ts";
import { SENML_NAME } from "#agent/telemetry/name.ts";
import type { StampedReading } from "#agent/telemetry/reading.ts";
import type { Reading } from "#drivers/driver.ts";
import { NAME_BYTES_MAX } from "./limits.ts";

/** Why a reading was turned away, as a counter's name. */
export type TurnedAway = "bad_name" | "bad_value" | "not_finite" | "too_long" | "thinned";

/** Now, by the monotonic clock, and what the wall clock showed when that was 0. */
export interface Now {
  readonly monoMs: number;
  readonly baseMs: number;
}

export interface DoorState {
  /** Monotonic time of the last reading that was let in, by name: for channels that are thinned, so never more than the configuration names. */
  readonly lastIn: Map<string, number>;
  /** Told of each reading; true: it is let in even where its channel is thinned (an alarm turns on it). */
  readonly urgent?: ((reading: StampedReading) => boolean) | undefined;
}

const isKnownKind = (value: unknown): boolean =>
  typeof value === "number" ||
  typeof value === "string" ||
  typeof value === "boolean" ||
  value instanceof Uint8Array;

/** Found before anything is made of the reading: a text of megabytes is not copied to see that it is too long. */
const fault = ({ name, value }: Reading): TurnedAway | null => {
  if (name.length > NAME_BYTES_MAX || !SENML_NAME.test(name)) return "bad_name";
  if (!isKnownKind(value)) return "bad_value";
  if (typeof value === "number") return Number.isFinite(value) ? null : "not_finite";
  return typeof value !== "boolean" && value.length > READINGS_BYTES_MAX ? "too_long" : null;
};

/** Numbers need not be measured: the most of what comes. */
const isSurelyShort = ({ unit, value }: StampedReading): boolean =>
  (typeof value === "number" || typeof value === "boolean") && (unit?.length ?? 0) < 100;

const isThinned = ({ name, monoMs }: StampedReading, every: number, state: DoorState): boolean => {
  const last = state.lastIn.get(name);
  if (last !== undefined && monoMs - last < every) return true;
  state.lastIn.set(name, monoMs);
  return false;
};

const channelOf = (channels: Channels, name: string): Channel | undefined =>
  Object.hasOwn(channels, name) ? channels[name] : undefined;

const isTime = (ms: number | undefined): ms is number =>
  ms !== undefined && Number.isFinite(ms) && ms <= TIME_MS_MAX;

/** Events hold no half of a surrogate pair (a text cut in its middle): it becomes U+FFFD, the rest of the text stays. */
const wellFormed = (value: Reading["value"]): Reading["value"] =>
  typeof value === "string" ? value.toWellFormed() : value;

/**
 * Wall time of a sample: the source's own stamp, or what the wall clock showed at its monotonic time: raw, so it may lie before 1970 until it is
 * corrected. No sample is of the future, none from before the boot.
 */
const stamp = (reading: Reading, unit: string | undefined, now: Now): StampedReading => {
  const sampled = Number.isFinite(reading.monoMs)
    ? Math.min(Math.max(reading.monoMs, 0), now.monoMs)
    : now.monoMs;
  const monoMs = Math.round(sampled);
  const { sourceMs } = reading;
  return {
    name: reading.name,
    value: wellFormed(reading.value),
    monoMs,
    ...(isTime(sourceMs)
      ? { timeMs: Math.max(0, Math.round(sourceMs)), ownTime: true }
      : { timeMs: now.baseMs + monoMs }),
    ...(unit === undefined ? {} : { unit: unit.toWellFormed() }),
  };
};

/** Digits that a time has once it is corrected: a reading must fit then too. */
const TIME_MS_LONG = 9_999_999_999_999;

const isTooLong = (stamped: StampedReading): boolean =>
  plainBytes({ ...stamped, timeMs: Math.max(stamped.timeMs, TIME_MS_LONG) }) > READINGS_BYTES_MAX;

const admitOne = (
  reading: Reading,
  channels: Channels,
  now: Now,
  state: DoorState,
): StampedReading | TurnedAway => {
  const why = fault(reading);
  if (why !== null) return why;
  const channel = channelOf(channels, reading.name);
  const stamped = stamp(reading, reading.unit ?? channel?.unit, now);
  if (!isSurelyShort(stamped) && isTooLong(stamped)) return "too_long";
  const urgent = state.urgent?.(stamped) ?? false;
  if (channel?.every !== undefined && isThinned(stamped, channel.every, state) && !urgent) return "thinned";
  return stamped;
};

export const admit = (
  readings: readonly Reading[],
  channels: Channels,
  now: Now,
  state: DoorState,
  turnedAway: (why: TurnedAway, name: string) => void,
): StampedReading[] =>
  readings.flatMap((reading) => {
    const outcome = admitOne(reading, channels, now, state);
    if (typeof outcome !== "string") return [outcome];
    turnedAway(outcome, reading.name);
    return [];
  });

/** What was let in was not kept after all: the next reading of these names is not thinned out in its place. */
export const takeBack = (admitted: readonly StampedReading[], state: DoorState): void => {
  for (const { name, monoMs } of admitted) if (state.lastIn.get(name) === monoMs) state.lastIn.delete(name);
};
