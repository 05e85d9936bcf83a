// The last value of every reading, for the status message and for `get`.
import type { ChannelView } from "#agent/rooms/status-card.ts";
import type { Channels } from "#agent/telemetry/channels.ts";
import type { StampedReading } from "#agent/telemetry/reading.ts";
import { LAST_VALUE_CHARS_MAX, LAST_VALUES_MAX } from "./limits.ts";

/** What is shown of a value, so that a driver of long texts does not fill the memory. */
const kept = (reading: StampedReading): StampedReading => {
  const { value } = reading;
  if (typeof value === "number" || typeof value === "boolean" || value.length <= LAST_VALUE_CHARS_MAX)
    return reading;
  const shown =
    typeof value === "string"
      ? `${value.slice(0, LAST_VALUE_CHARS_MAX).toWellFormed()}...`
      : `${value.length} bytes`;
  return { ...reading, value: shown };
};

export class LastValues {
  readonly #channels: Channels;
  readonly #values = new Map<string, StampedReading>();
  /** How many came of each. */
  readonly #counts = new Map<string, number>();

  constructor(channels: Channels) {
    this.#channels = channels;
  }

  take(readings: readonly StampedReading[]): void {
    for (const reading of readings)
      if (this.#values.size < LAST_VALUES_MAX || this.#values.has(reading.name)) {
        this.#values.set(reading.name, kept(reading));
        this.#counts.set(reading.name, (this.#counts.get(reading.name) ?? 0) + 1);
      }
  }

  /** By name, in alphabetical order. */
  views(monoMs: number): ChannelView[] {
    return [...this.#values.values()]
      .sort((a, b) => (a.name < b.name ? -1 : 1))
      .map(({ name, unit, value, monoMs: at }) => ({
        name,
        unit,
        value,
        label: this.#channel(name)?.label,
        ageMs: Math.max(0, monoMs - at),
      }));
  }

  counts(): Iterable<readonly [string, number]> {
    return this.#counts;
  }

  shown(views: readonly ChannelView[]): ChannelView[] {
    return views.filter(({ name }) => this.#channel(name)?.show ?? true);
  }

  #channel(name: string): Channels[string] | undefined {
    return Object.hasOwn(this.#channels, name) ? this.#channels[name] : undefined;
  }
}
