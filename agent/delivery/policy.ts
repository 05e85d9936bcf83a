// From the section `delivery` to what the journal and the packer are told.
import type { JournalPolicy } from "#agent/journal/ledger.ts";
import type { Channels } from "#agent/telemetry/channels.ts";
import type { StampedReading } from "#agent/telemetry/reading.ts";
import type { DeliveryConfig } from "./schema.ts";

export const journalPolicy = ({
  max_age: ageMaxMs,
  max_bytes: bytesMax,
  thin,
  when_full: whenFull,
}: DeliveryConfig["journal"]): JournalPolicy => ({
  bytesMax,
  whenFull,
  thin: thin.keep === "every" ? thin : { keep: "min-max", windowMs: thin.window },
  ...(ageMaxMs === undefined ? {} : { ageMaxMs }),
});

/** Whether a reading has waited longer than its channel's retention; undefined where no channel has one. */
export const expiryOf = (
  channels: Channels,
  nowMs: () => number,
): ((reading: StampedReading) => boolean) | undefined => {
  const limits = new Map(
    Object.entries(channels).flatMap(([name, { retention }]) =>
      retention === undefined ? [] : [[name, retention] as const],
    ),
  );
  if (limits.size === 0) return undefined;
  return ({ name, timeMs }) => {
    const limit = limits.get(name);
    return limit !== undefined && nowMs() - timeMs > limit;
  };
};
