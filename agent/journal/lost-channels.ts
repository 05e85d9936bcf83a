// Which channels lost readings, and how many each: kept with a run of lost numbers, sealed as readings are, and told with it. Bounded: a few names, the
// rest together.
import { field } from "#agent/matrix/json.ts";
import type { JsonObject } from "#agent/matrix/types.ts";
import type { Vault } from "#agent/store/store.ts";
import type { StampedReading } from "#agent/telemetry/reading.ts";
import { LOST_CHANNELS_MAX } from "./limits.ts";

/** Readings lost, by the name of their channel; under OTHERS those of the channels that are not named. */
export type ChannelCounts = ReadonlyMap<string, number>;

/** No SenML name begins so. */
export const OTHERS = "*";

const CONTEXT = "journal/lost-channels";

/** The greatest counts stay. */
const bounded = (counts: Map<string, number>): ChannelCounts => {
  if (counts.size <= LOST_CHANNELS_MAX) return counts;
  const others = counts.get(OTHERS) ?? 0;
  counts.delete(OTHERS);
  const sorted = [...counts].toSorted(([, left], [, right]) => right - left);
  const rest = sorted.slice(LOST_CHANNELS_MAX - 1).reduce((sum, [, count]) => sum + count, others);
  return new Map([...sorted.slice(0, LOST_CHANNELS_MAX - 1), [OTHERS, rest]]);
};

export const countByChannel = (readings: readonly Pick<StampedReading, "name">[]): ChannelCounts => {
  const counts = new Map<string, number>();
  for (const { name } of readings) counts.set(name, (counts.get(name) ?? 0) + 1);
  return bounded(counts);
};

export const addCounts = (...all: readonly ChannelCounts[]): ChannelCounts => {
  const sum = new Map<string, number>();
  for (const counts of all) for (const [name, count] of counts) sum.set(name, (sum.get(name) ?? 0) + count);
  return bounded(sum);
};

export const NO_CHANNELS: ChannelCounts = new Map();

/** Null where no channel is known: such a loss takes no more room than before. */
export const sealCounts = (vault: Vault, counts: ChannelCounts): Uint8Array | null =>
  counts.size === 0
    ? null
    : vault.seal(CONTEXT, new TextEncoder().encode(JSON.stringify(Object.fromEntries(counts))));

/** What the disk changed is not known any more; the loss itself is told all the same. */
export const openCounts = (vault: Vault, sealed: unknown): ChannelCounts => {
  if (!(sealed instanceof Uint8Array)) return NO_CHANNELS;
  try {
    const counts = JSON.parse(new TextDecoder().decode(vault.open(CONTEXT, sealed))) as JsonObject; // we sealed one
    return new Map(
      Object.keys(counts).flatMap((name): [string, number][] => {
        const count = field(counts, name);
        return typeof count === "number" ? [[name, count]] : [];
      }),
    );
  } catch {
    return NO_CHANNELS;
  }
};
