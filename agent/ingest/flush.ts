// How long what a driver gives may wait in memory before it is written: the shortest of what its driver and its channels allow (`delivery.flush`).
import type { FlushConfig } from "#agent/delivery/schema.ts";
import type { StampedReading } from "#agent/telemetry/reading.ts";

export type FlushOf = (driver: string, readings: readonly StampedReading[]) => number;

const own = (record: Readonly<Record<string, number>>, key: string): number | undefined =>
  Object.hasOwn(record, key) ? record[key] : undefined;

/** In milliseconds; 0: at once. `urgent` names channels that never wait, such as those that raise alarms. */
export const flushOf = (flush: FlushConfig, urgent: (name: string) => boolean = () => false): FlushOf => {
  const isPlain = Object.keys(flush.channels).length === 0;
  return (driver, readings) => {
    const base = own(flush.drivers, driver) ?? flush.default;
    if (isPlain && base === 0) return 0;
    const waits = readings.map(({ name }) => (urgent(name) ? 0 : (own(flush.channels, name) ?? base)));
    return Math.min(...waits, Number.MAX_SAFE_INTEGER);
  };
};
