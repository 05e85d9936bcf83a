// Telemetry as lines of text, for `petrel tail` and the demo.
import { valueText } from "#agent/rooms/status-card.ts";
import { TIME_MS_MAX } from "./limits.ts";
import type { ReceivedReading, ReceivedTelemetry } from "./received.ts";

/** 2026-11-24 13:37:00.250, in UTC: logs of machines on different continents can be laid side by side. */
export const timeText = (ms: number): string =>
  // Anybody may send any integer.
  Math.abs(ms) > TIME_MS_MAX ? `${ms} ms` : new Date(ms).toISOString().replace("T", " ").replace("Z", "");

const readingLine = (device: string, { seq, name, unit, timeMs, value }: ReceivedReading): string =>
  `${timeText(timeMs)}  ${device}  #${seq}  ${name} = ${valueText(value, unit ?? undefined)}`;

/** One line a reading, and one for each run of readings that was lost. */
export const telemetryLines = ({ device, lost, readings }: ReceivedTelemetry): string[] => [
  ...lost.map(
    ({ from, count, reason }) =>
      `${" ".repeat(23)}  ${device}  #${from}..${from + count - 1}  lost: ${reason}`,
  ),
  ...readings.map((reading) => readingLine(device, reading)),
];
