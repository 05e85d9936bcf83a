// Telemetry as lines of text, for `petrel tail` and the demo.

import type { JsonObject, JsonValue } from "#agent/matrix/types.ts";
import { valueText } from "#agent/rooms/status-card.ts";
import { TelemetryError } from "./errors.ts";
import { TIME_MS_MAX } from "./limits.ts";
import { parseLoss as parseRange, parseTelemetry, telemetryFile } from "./parse.ts";
import type { ReceivedRange, ReceivedReading, ReceivedTelemetry } from "./received.ts";

/** 2026-11-24 13:37:00.250, in UTC: logs of machines on different continents can be laid side by side. */
export const timeText = (ms: number): string =>
  // Anybody may send any integer.
  Math.abs(ms) > TIME_MS_MAX ? `${ms} ms` : new Date(ms).toISOString().replace("T", " ").replace("Z", "");

const readingLine = (device: string, { seq, name, unit, timeMs, value }: ReceivedReading): string =>
  `${timeText(timeMs)}  ${device}  #${seq}  ${name} = ${valueText(value, unit ?? undefined)}`;

/** Readings of one event that are shown one by one; what brings more is a pack, and is summed up by channel. */
const SHOWN_MAX = 100;
/** Channels of a pack that are shown. */
const CHANNELS_SHOWN_MAX = 200;

const lossLines = ({ device, lost }: Pick<ReceivedRange, "device" | "lost">): string[] =>
  lost.map(({ count, from, fromMs, reason, untilMs }) => {
    const when =
      fromMs === undefined || untilMs === undefined ? "" : ` (${timeText(fromMs)} to ${timeText(untilMs)})`;
    return `${" ".repeat(23)}  ${device}  #${from}..${from + count - 1}  lost: ${reason}${when}`;
  });

interface ChannelSum {
  readonly last: ReceivedReading;
  readonly count: number;
  /** Of numbers; null where there was none. */
  readonly least: number | null;
  readonly most: number | null;
}

const added = (sum: ChannelSum | undefined, last: ReceivedReading): ChannelSum => {
  const count = (sum?.count ?? 0) + 1;
  const { value } = last;
  if (typeof value !== "number") return { last, count, least: sum?.least ?? null, most: sum?.most ?? null };
  return {
    last,
    count,
    least: Math.min(sum?.least ?? value, value),
    most: Math.max(sum?.most ?? value, value),
  };
};

const channelLine = (device: string, { count, last, least, most }: ChannelSum): string => {
  const range = least === null || least === most ? "" : `, ${least} to ${most}`;
  return `${readingLine(device, last)}  (last of ${count}${range})`;
};

/** A line a channel, with its last value. */
const summaryLines = ({ device, readings, seq, count }: ReceivedTelemetry): string[] => {
  const sums = new Map<string, ChannelSum>();
  let [from, until] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const reading of readings) {
    sums.set(reading.name, added(sums.get(reading.name), reading));
    from = Math.min(from, reading.timeMs);
    until = Math.max(until, reading.timeMs);
  }
  const head = `${timeText(from)}  ${device}  #${seq}..${seq + count - 1}  ${readings.length} readings of ${sums.size} channels until ${timeText(until)}`;
  const channels = [...sums.values()].slice(0, CHANNELS_SHOWN_MAX);
  return [head, ...channels.map((sum) => channelLine(device, sum))];
};

/** One line for each run of readings that was lost, and one a reading; of a large pack one a channel. */
export const telemetryLines = (telemetry: ReceivedTelemetry): string[] => [
  ...lossLines(telemetry),
  ...(telemetry.readings.length > SHOWN_MAX
    ? summaryLines(telemetry)
    : telemetry.readings.map((reading) => readingLine(telemetry.device, reading))),
];

const integer = (value: JsonValue | undefined): number => (typeof value === "number" ? value : 0);

/** Readings in an attachment: how many, of when. They are not fetched only to be shown. */
const fileLines = (content: JsonObject): string[] => {
  const range = parseRange(content);
  const { device, seq, count } = range;
  const until = timeText(integer(content["until"]));
  return [
    ...lossLines(range),
    `${timeText(integer(content["from"]))}  ${device}  #${seq}..${seq + count - 1}  in an attachment of ${integer(content["size"])} bytes until ${until}`,
  ];
};

/** The lines of an event of telemetry or of losses; one that says why where it cannot be read. */
export const contentLines = (kind: "telemetry" | "loss", content: JsonObject): string[] => {
  try {
    if (kind === "loss") return lossLines(parseRange(content));
    return telemetryFile(content) === null ? telemetryLines(parseTelemetry(content)) : fileLines(content);
  } catch (error) {
    if (!(error instanceof TelemetryError)) throw error;
    return [error.message];
  }
};
