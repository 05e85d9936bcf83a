// `petrel audit room`: whether a room holds every reading once. Exit code 1 where it does not, or where that cannot be known.
import { EXIT } from "#agent/exit.ts";
import type { Outside } from "#agent/outside.ts";
import { createAudit, isWhole, type StreamReport, type Stretch } from "#agent/subscriptions/audit.ts";
import { walkRoom } from "#agent/subscriptions/walk.ts";
import { timeText } from "#agent/telemetry/lines.ts";
import { printable } from "./printable.ts";
import { withRoom } from "./room-source.ts";
import { loadSetting } from "./setting.ts";

export interface AuditOptions {
  readonly room?: string;
  readonly json?: boolean;
}

interface Result {
  readonly events: number;
  readonly streams: readonly StreamReport[];
  readonly unreadable: readonly { readonly eventId: string; readonly why: string }[];
}

/** Shown of a list that may be long. */
const SHOWN_MAX = 10;

const stretchText = ({ from, until }: Stretch): string =>
  until - from === 1 ? `#${from}` : `#${from}..${until - 1}`;

const listText = (texts: readonly string[]): string =>
  texts.length <= SHOWN_MAX
    ? texts.join(", ")
    : `${texts.slice(0, SHOWN_MAX).join(", ")} and ${texts.length - SHOWN_MAX} more`;

const plural = (count: number, what: string): string => `${count} ${what}${count === 1 ? "" : "s"}`;

const headLine = ({ bootSeq, device, end, events, readings, stream }: StreamReport): string => {
  const boot = bootSeq === null ? "" : `, boot ${bootSeq}`;
  const closed = end === null ? "" : `; it ended at #${end - 1}`;
  return `${device}${boot}, stream ${stream}: ${plural(readings, "reading")} in ${plural(events, "event")}${closed}`;
};

const lossLines = ({ lost, lostChannels, lostWhen }: StreamReport): string[] => {
  const channels = Object.entries(lostChannels).map(([name, count]) => `${count} ${name}`);
  return [
    ...Object.entries(lost).map(([reason, count]) => {
      const when = lostWhen[reason];
      const dates = when === undefined ? "" : `, ${timeText(when.fromMs)} to ${timeText(when.untilMs)}`;
      return `  lost and told: ${count} (${reason}${dates})`;
    }),
    ...(channels.length === 0 ? [] : [`    of channels: ${listText(channels)}`]),
  ];
};

const streamLines = (report: StreamReport): string[] => {
  const { beyond, gaps, outOfOrder, repeatedEvents, repeatedNumbers, unexplained } = report;
  const lines = [headLine(report), ...lossLines(report)];
  if (gaps.length > 0) lines.push(`  MISSING: ${listText(gaps.map(stretchText))}`);
  if (unexplained > 0) lines.push(`  NOT EXPLAINED: ${plural(unexplained, "lost reading")} without a date`);
  if (beyond > 0) lines.push(`  BEYOND ITS END: ${plural(beyond, "reading")}`);
  if (repeatedNumbers > 0)
    lines.push(`  REPEATED: ${plural(repeatedNumbers, "reading")} in ${plural(repeatedEvents, "event")}`);
  if (outOfOrder > 0) lines.push(`  OUT OF ORDER: ${plural(outOfOrder, "event")}`);
  return lines;
};

const sum = (streams: readonly StreamReport[], of: (report: StreamReport) => number): number =>
  streams.reduce((total, report) => total + of(report), 0);

const verdict = ({ streams, unreadable }: Result): string => {
  const gaps = sum(streams, (report) => report.gaps.reduce((all, { from, until }) => all + until - from, 0));
  const repeated = sum(streams, (report) => report.repeatedNumbers);
  const outOfOrder = sum(streams, (report) => report.outOfOrder);
  const unexplained = sum(streams, (report) => report.unexplained);
  const beyond = sum(streams, (report) => report.beyond);
  const words = [
    gaps === 0 ? "no gap" : `${plural(gaps, "reading")} missing`,
    repeated === 0 ? "no duplicate" : plural(repeated, "duplicate"),
    ...(unexplained === 0 ? [] : [`${unexplained} lost and not explained`]),
    ...(beyond === 0 ? [] : [`${plural(beyond, "reading")} behind the end of a stream`]),
    ...(outOfOrder === 0 ? [] : [`${plural(outOfOrder, "event")} out of order`]),
    ...(unreadable.length === 0 ? [] : [`${plural(unreadable.length, "event")} that cannot be read`]),
  ];
  return `${words.join(", ")}: ${plural(
    sum(streams, (report) => report.readings),
    "reading",
  )} of ${plural(streams.length, "stream")}`;
};

const print = (outside: Outside, result: Result): void => {
  const unreadable = result.unreadable
    .slice(0, SHOWN_MAX)
    .map(({ eventId, why }) => `cannot be read: ${eventId}: ${why}`);
  for (const line of [...result.streams.flatMap(streamLines), ...unreadable, verdict(result)])
    outside.stdout.write(`${printable(line)}\n`);
};

export const auditRoom = async (
  outside: Outside,
  configFile: string | undefined,
  options: AuditOptions,
): Promise<number> => {
  const setting = await loadSetting(outside, configFile);
  const result = await withRoom(outside, setting, options.room, async (source): Promise<Result> => {
    const audit = createAudit();
    const unreadable: { eventId: string; why: string }[] = [];
    let events = 0;
    for await (const page of walkRoom(source)) {
      events += page.events;
      for (const found of page.found) {
        if (found.kind === "unreadable") unreadable.push({ eventId: found.item.eventId, why: found.why });
        else audit.take(found.item.sender, found.kind === "loss" ? found.range : found.telemetry);
      }
      if (outside.stderr.isTty) outside.stderr.write(`\r${events} events read`);
    }
    if (outside.stderr.isTty) outside.stderr.write("\r\x1b[K");
    return { events, streams: audit.streams(), unreadable };
  });
  if (options.json === true) outside.stdout.write(`${JSON.stringify(result)}\n`);
  else print(outside, result);
  return result.unreadable.length === 0 && result.streams.every(isWhole) ? EXIT.ok : EXIT.failed;
};
