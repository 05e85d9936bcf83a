// What a running agent does for `petrel export` and `petrel audit`: a page of a room, and a piece of an attachment.
import type { Exchange, Handler } from "#agent/control/server.ts";
import { CliError, EXIT } from "#agent/exit.ts";
import { asInteger, asObject, asString, field } from "#agent/matrix/json.ts";
import type { JsonObject, MatrixClient } from "#agent/matrix/types.ts";
import { PACK_BYTES_MAX } from "#agent/telemetry/limits.ts";
import { telemetryFile } from "#agent/telemetry/parse.ts";
import { clientSource } from "./source.ts";

/** In base64 it stays below what an answer of the control socket may hold. */
export const FILE_PIECE_BYTES = 2_097_152;

export interface RoomReading {
  /** Reads encrypted rooms too, where the agent can. */
  readonly client: () => Promise<MatrixClient>;
  readonly roomId: (named: string | null) => Promise<string>;
  readonly namespace: string;
}

const textArg = (args: JsonObject, key: string): string | null => asString(field(args, key));

export const roomReadingVerbs = (reading: RoomReading): Readonly<Record<string, Handler>> => {
  // The attachment that was asked for last: its pieces are asked for one after the other.
  let held: { readonly url: string; readonly bytes: Uint8Array } | null = null;

  const page = async (args: JsonObject): Promise<JsonObject> => {
    const roomId = await reading.roomId(textArg(args, "room"));
    const source = clientSource(await reading.client(), roomId, reading.namespace);
    const { events, items, next } = await source.page(textArg(args, "from"));
    return { roomId, events, items: items.map((item) => ({ ...item })), next };
  };

  const file = async (args: JsonObject): Promise<JsonObject> => {
    const wanted = telemetryFile(asObject(field(args, "content")) ?? {});
    if (wanted === null) throw new CliError(EXIT.usage, "no attachment is named");
    if (held?.url !== wanted.url) {
      const source = clientSource(await reading.client(), "", reading.namespace);
      held = { url: wanted.url, bytes: await source.file(wanted, PACK_BYTES_MAX) };
    }
    const at = asInteger(field(args, "at")) ?? 0;
    const piece = held.bytes.subarray(at, at + FILE_PIECE_BYTES);
    const { length } = held.bytes;
    if (at + piece.length >= length) held = null;
    return { size: length, data: Buffer.from(piece).toString("base64") };
  };

  return {
    page: (args: JsonObject, _exchange: Exchange) => page(args),
    file: (args: JsonObject, _exchange: Exchange) => file(args),
  };
};
