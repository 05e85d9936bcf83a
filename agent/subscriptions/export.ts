// Readings of a room within a time, as lines; page by page, so that whoever writes them can remember after each where to go on.
import type { JsonValue } from "#agent/matrix/types.ts";
import { type Format, lineOf } from "./format.ts";
import type { RoomItem, RoomSource } from "./source.ts";
import { walkRoom } from "./walk.ts";

/** Times of the readings, ms since the epoch: from `sinceMs` on and before `untilMs`. */
export interface Range {
  readonly sinceMs: number;
  readonly untilMs: number;
}

export interface ExportedPage {
  readonly lines: readonly string[];
  readonly readings: number;
  readonly events: number;
  /** What could not be read, each with its event. */
  readonly problems: readonly string[];
  /** Where to go on; null when all is done. */
  readonly next: string | null;
}

const numberOr = (value: JsonValue | undefined, other: number): number =>
  typeof value === "number" ? value : other;

/** What lies outside of the range by its own word is not fetched; an encrypted event that was not opened may lie within. */
const mayConcern =
  ({ sinceMs, untilMs }: Range) =>
  ({ content, kind }: RoomItem): boolean =>
    kind === "unreadable" ||
    (kind === "telemetry" &&
      numberOr(content["from"], sinceMs) < untilMs &&
      numberOr(content["until"], sinceMs) >= sinceMs);

export async function* exportRoom(
  source: RoomSource,
  format: Format,
  range: Range,
  begin: string | null,
): AsyncGenerator<ExportedPage> {
  for await (const { events, found, next } of walkRoom(source, begin, mayConcern(range))) {
    const lines: string[] = [];
    const problems: string[] = [];
    for (const each of found) {
      if (each.kind === "unreadable") problems.push(`${each.item.eventId}: ${each.why}`);
      if (each.kind !== "telemetry") continue;
      const { readings } = each.telemetry;
      for (const reading of readings)
        if (reading.timeMs >= range.sinceMs && reading.timeMs < range.untilMs)
          lines.push(lineOf(format, each.telemetry, reading));
    }
    yield { lines, readings: lines.length, events, problems, next };
  }
}
