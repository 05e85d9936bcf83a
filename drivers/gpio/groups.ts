// Which watched lines go to one gpiomon: those of a chip that share their settings.
import type { WatchSettings } from "./dialect.ts";
import type { Input } from "./input.ts";
import type { Place } from "./lines.ts";

export interface WatchedInput {
  readonly input: Input;
  readonly place: Place;
  readonly settings: WatchSettings;
}

/** Lines that can share one gpiomon. */
export const groupInputs = (inputs: readonly WatchedInput[]): WatchedInput[][] => {
  const groups = new Map<string, WatchedInput[]>();
  for (const watched of inputs) {
    const key = JSON.stringify([watched.place.chip, watched.settings]);
    groups.set(key, [...(groups.get(key) ?? []), watched]);
  }
  return [...groups.values()];
};
