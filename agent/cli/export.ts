// `petrel export`: the readings of a room within a time, as lines for other programs.
import { CliError, EXIT } from "#agent/exit.ts";
import type { Outside } from "#agent/outside.ts";
import { exportRoom, type Range } from "#agent/subscriptions/export.ts";
import { type Format, headerOf } from "#agent/subscriptions/format.ts";
import { fileSink, outputSink } from "./export-file.ts";
import { printable } from "./printable.ts";
import { withRoom } from "./room-source.ts";
import { loadSetting } from "./setting.ts";

export interface ExportOptions {
  readonly room?: string;
  readonly since?: string;
  readonly until?: string;
  readonly format: Format;
  readonly output?: string;
}

const UNITS_MS: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** A date (ISO 8601; UTC where it names no zone), or how long ago: 90m, 24h, 7d. */
export const parseTime = (text: string, nowMs: number): number => {
  const [, amount, unit] = /^(\d{1,6})([smhd])$/.exec(text) ?? [];
  if (amount !== undefined && unit !== undefined) return nowMs - Number(amount) * (UNITS_MS[unit] ?? 0);
  const iso = /^\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,3})?)?(Z|[+-]\d\d:\d\d)?)?$/.exec(text);
  const hasZone = iso?.[1] !== undefined || text.length === "2026-11-24".length;
  const time = iso === null ? Number.NaN : Date.parse(`${text.replace(" ", "T")}${hasZone ? "" : "Z"}`);
  if (Number.isNaN(time))
    throw new CliError(
      EXIT.usage,
      `expected a time such as 2026-11-24, 2026-11-24T13:30Z or 24h (ago), found "${text}"`,
    );
  return time;
};

const rangeOf = ({ since, until }: ExportOptions, nowMs: number): Range => ({
  sinceMs: since === undefined ? Number.NEGATIVE_INFINITY : parseTime(since, nowMs),
  untilMs: until === undefined ? Number.POSITIVE_INFINITY : parseTime(until, nowMs),
});

/** Progress on a terminal only: a script reads the last line. */
const progress = (outside: Outside, events: number, readings: number): void => {
  if (outside.stderr.isTty) outside.stderr.write(`\r${events} events read, ${readings} readings written`);
};

const complain = (outside: Outside, problems: readonly string[]): void => {
  for (const problem of problems) outside.stderr.write(`petrel: cannot be read: ${printable(problem)}\n`);
};

/** Resolves with 1 where something could not be read; the rest is written all the same. */
export const exportReadings = async (
  outside: Outside,
  configFile: string | undefined,
  options: ExportOptions,
): Promise<number> => {
  const setting = await loadSetting(outside, configFile);
  const { format, output, room } = options;
  const range = rangeOf(options, outside.clock.wallMs());
  const header = headerOf(format);
  const question = JSON.stringify([format, room ?? "", options.since ?? "", options.until ?? ""]);
  const sink = output === undefined ? outputSink(outside, header) : fileSink(output, question, header);
  let { readings } = sink;
  let [events, unreadable] = [0, 0];
  await withRoom(outside, setting, room, async (source) => {
    for await (const page of exportRoom(source, format, range, sink.from)) {
      events += page.events;
      readings += page.readings;
      unreadable += page.problems.length;
      sink.write(page.lines, page.next, readings);
      complain(outside, page.problems);
      progress(outside, events, readings);
    }
  });
  sink.finish();
  if (outside.stderr.isTty) outside.stderr.write("\n");
  if (output !== undefined) outside.stdout.write(`${readings} readings in ${output}\n`);
  return unreadable === 0 ? EXIT.ok : EXIT.failed;
};
