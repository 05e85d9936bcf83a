// Goes through a room from its beginning, or from a place that is remembered, and reads what concerns telemetry.
import { TelemetryError } from "#agent/telemetry/errors.ts";
import { parseLoss, readTelemetry } from "#agent/telemetry/parse.ts";
import type { ReceivedRange, ReceivedTelemetry } from "#agent/telemetry/received.ts";
import type { RoomItem, RoomSource } from "./source.ts";

export type Found =
  | { readonly kind: "telemetry"; readonly item: RoomItem; readonly telemetry: ReceivedTelemetry }
  | { readonly kind: "loss"; readonly item: RoomItem; readonly range: ReceivedRange }
  | { readonly kind: "unreadable"; readonly item: RoomItem; readonly why: string };

export interface WalkedPage {
  readonly found: readonly Found[];
  readonly events: number;
  /** Where a later walk goes on; null at the end of the room. */
  readonly next: string | null;
}

/** One item, in whatever form; its attachment fetched. */
export const readItem = async (source: RoomSource, item: RoomItem): Promise<Found> => {
  if (item.kind === "unreadable") return { kind: "unreadable", item, why: "encrypted, and no key for it" };
  try {
    if (item.kind === "loss") return { kind: "loss", item, range: parseLoss(item.content) };
    const telemetry = await readTelemetry(item.content, source.file);
    return { kind: "telemetry", item, telemetry };
  } catch (error) {
    if (!(error instanceof TelemetryError)) throw error;
    return { kind: "unreadable", item, why: error.message };
  }
};

/** Pages in the room's order, each with what was found on it. Which items are read at all, `wanted` says: an attachment costs a download. */
export async function* walkRoom(
  source: RoomSource,
  begin: string | null = null,
  wanted: (item: RoomItem) => boolean = () => true,
): AsyncGenerator<WalkedPage> {
  let from = begin;
  do {
    const { events, items, next } = await source.page(from);
    const found: Found[] = [];
    // One after the other: what is read of attachments is not in memory twice.
    for (const item of items) if (wanted(item)) found.push(await readItem(source, item));
    yield { found, events, next };
    if (next === from) return;
    from = next;
  } while (from !== null);
}
