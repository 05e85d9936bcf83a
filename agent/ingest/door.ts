// The door: what a driver hands up becomes a stamped reading, or is turned away and counted. Pure, so that it can be tested without a driver.
import type { Channel, Channels } from "#agent/telemetry/channels.ts";
import { SENML_NAME } from "#agent/telemetry/channels.ts";
import type { StampedReading } from "#agent/telemetry/reading.ts";
import type { Clock, Reading } from "#drivers/driver.ts";
import { NAME_BYTES_MAX, VALUE_BYTES_MAX } from "./limits.ts";

/** Why a reading was turned away, as a counter's name. */
export type TurnedAway = "bad_name" | "not_finite" | "too_long" | "thinned";

const sizeOf = (value: Reading["value"]): number =>
  typeof value === "string" || value instanceof Uint8Array ? value.length : 0;

const fault = ({ name, value }: Reading): TurnedAway | null => {
  if (name.length > NAME_BYTES_MAX || !SENML_NAME.test(name)) return "bad_name";
  if (typeof value === "number" && !Number.isFinite(value)) return "not_finite";
  return sizeOf(value) > VALUE_BYTES_MAX ? "too_long" : null;
};

export interface DoorState {
  /** Monotonic time of the last reading that was let in, by name: for channels that are thinned. */
  readonly lastIn: Map<string, number>;
}

const thinned = (reading: Reading, channel: Channel | undefined, state: DoorState): boolean => {
  if (channel?.every === undefined) return false;
  const last = state.lastIn.get(reading.name);
  if (last !== undefined && reading.monoMs - last < channel.every) return true;
  state.lastIn.set(reading.name, reading.monoMs);
  return false;
};

const channelOf = (channels: Channels, name: string): Channel | undefined =>
  Object.hasOwn(channels, name) ? channels[name] : undefined;

/** Wall time of a sample: the source's own stamp, or the wall clock now less the sample's age by the monotonic clock. */
const stamp = (reading: Reading, channel: Channel | undefined, clock: Clock): StampedReading => {
  const wallMs = clock.wallMs() - (clock.monoMs() - reading.monoMs);
  const unit = reading.unit ?? channel?.unit;
  return {
    name: reading.name,
    value: reading.value,
    timeMs: Math.max(0, Math.round(reading.sourceMs ?? wallMs)),
    monoMs: Math.round(reading.monoMs),
    ...(unit === undefined ? {} : { unit }),
  };
};

export const admit = (
  readings: readonly Reading[],
  channels: Channels,
  clock: Clock,
  state: DoorState,
  turnedAway: (why: TurnedAway, name: string) => void,
): StampedReading[] =>
  readings.flatMap((reading) => {
    const channel = channelOf(channels, reading.name);
    const why = fault(reading) ?? (thinned(reading, channel, state) ? "thinned" : null);
    if (why === null) return [stamp(reading, channel, clock)];
    turnedAway(why, reading.name);
    return [];
  });
