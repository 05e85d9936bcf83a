// The columnar encoding, written (docs/telemetry-pack.md). Readings are taken apart as they come: 20 bytes each, so that the packer can hold a
// quarter of a million of them. `encode` makes columns of the first so many; how a column is written best is decided each time.
import { constants, deflate, deflateSync, type ZlibOptions } from "node:zlib";
import type { PackBuilder } from "../pack/builder.ts";
import type { PackReading } from "../received.ts";
import { ByteWriter } from "./bytes.ts";
import { COLUMNS_ENCODING, KINDS, type Kind, MAGIC } from "./format.ts";
import { planIntegers, writeIntegers, writePlan } from "./integers.ts";
import { writeNumbers } from "./numbers.ts";
import { writeOrder } from "./order.ts";

/**
 * Of noise a dictionary coder finds false repeats: `FILTERED` takes only long ones. Small blocks (memLevel 5) give each column a code of its own.
 * Measured on 71,000 readings of the bench's trace: 29.9 kB, with zlib's defaults 32.7. Brotli at its best makes 26.4 of it in twenty times the time,
 * and many a reader has no Brotli; at quality 4, as fast as this, 31.7.
 */
const DEFLATE: ZlibOptions = { level: 9, memLevel: 5, strategy: constants.Z_FILTERED };

interface Channel {
  readonly name: string;
  readonly unit: string | undefined;
  readonly kind: Kind;
  /** Texts and bytes in the order in which they first came, and where each stands. */
  readonly entries: Uint8Array[];
  readonly places: Map<string, number>;
}

const kindOf = (value: PackReading["value"]): Kind => {
  if (typeof value === "number") return "number";
  if (typeof value === "boolean") return "boolean";
  return typeof value === "string" ? "text" : "bytes";
};

/** Channels by name, unit and kind. */
class Channels {
  readonly list: Channel[] = [];
  readonly #byName = new Map<string, number[]>();

  indexOf({ name, unit, value }: PackReading): number {
    const kind = kindOf(value);
    const same = this.#byName.get(name) ?? [];
    const found = same.find((index) => {
      const channel = this.list[index];
      return channel?.unit === unit && channel?.kind === kind;
    });
    if (found !== undefined) return found;
    this.list.push({ name, unit, kind, entries: [], places: new Map() });
    this.#byName.set(name, [...same, this.list.length - 1]);
    return this.list.length - 1;
  }
}

const entryOf = ({ entries, places }: Channel, value: string | Uint8Array): number => {
  const bytes = typeof value === "string" ? new TextEncoder().encode(value) : Uint8Array.from(value);
  const key = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1");
  const known = places.get(key);
  if (known !== undefined) return known;
  places.set(key, entries.length);
  entries.push(bytes);
  return entries.length - 1;
};

/** A number is itself, a boolean 0 or 1, anything else its place in the channel's dictionary. */
const cellOf = (channel: Channel, value: PackReading["value"]): number => {
  if (typeof value === "number") return value;
  if (typeof value === "boolean") return value ? 1 : 0;
  return entryOf(channel, value);
};

interface Rows {
  channel: Uint32Array;
  time: Float64Array;
  cell: Float64Array;
}

const rowsOf = (capacity: number): Rows => ({
  channel: new Uint32Array(capacity),
  time: new Float64Array(capacity),
  cell: new Float64Array(capacity),
});

const grown = (rows: Rows): Rows => {
  const larger = rowsOf(rows.time.length * 2);
  larger.channel.set(rows.channel);
  larger.time.set(rows.time);
  larger.cell.set(rows.cell);
  return larger;
};

interface Columns {
  readonly times: readonly Float64Array[];
  readonly cells: readonly Float64Array[];
}

/** The first `count` rows, column by column. Channels come in the order of their first readings, so the first so many have some. */
const columnsOf = (rows: Rows, count: number): Columns => {
  const lengths: number[] = [];
  for (const channel of rows.channel.subarray(0, count)) lengths[channel] = (lengths[channel] ?? 0) + 1;
  const times = lengths.map((length) => new Float64Array(length));
  const cells = lengths.map((length) => new Float64Array(length));
  const filled = new Uint32Array(lengths.length);
  for (let row = 0; row < count; row += 1) {
    const channel = rows.channel[row] ?? 0;
    const at = filled[channel] ?? 0;
    const [time, cell] = [times[channel], cells[channel]];
    if (time !== undefined) time[at] = rows.time[row] ?? 0;
    if (cell !== undefined) cell[at] = rows.cell[row] ?? 0;
    filled[channel] = at + 1;
  }
  return { times, cells };
};

const writeText = (writer: ByteWriter, text: string): void => {
  const bytes = new TextEncoder().encode(text);
  writer.varint(bytes.length);
  writer.bytes(bytes);
};

const writeChannel = (writer: ByteWriter, { kind, name, unit }: Channel, length: number): void => {
  writer.byte(KINDS.indexOf(kind) + (unit === undefined ? 0 : KINDS.length));
  writeText(writer, name);
  if (unit !== undefined) writeText(writer, unit);
  writer.varint(length);
};

const difference = (left: Float64Array, right: Float64Array): Float64Array =>
  left.map((value, at) => value - (right[at] ?? 0));

const isSmall = (values: Float64Array): boolean => values.every((value) => Math.abs(value) < 2 ** 51);

/**
 * Channels that are read together have the same times, or nearly: `1 + k` says that what follows is the difference to column k, 0 that the times are
 * the column's own. Only the last own column of the same length is tried.
 */
const writeTimes = (writer: ByteWriter, times: readonly Float64Array[]): void => {
  const owners = new Map<number, number>();
  times.forEach((column, index) => {
    const own = planIntegers(column);
    const owner = owners.get(column.length);
    const theirs = owner === undefined ? undefined : times[owner];
    const apart = theirs === undefined ? null : difference(column, theirs);
    const shared = apart !== null && isSmall(apart) ? planIntegers(apart) : null;
    const likes = shared !== null && shared.bits <= own.bits;
    if (!likes) owners.set(column.length, index);
    writer.varint(likes ? 1 + (owner ?? 0) : 0);
    writePlan(writer, likes ? shared : own);
  });
};

const writeFlags = (writer: ByteWriter, cells: Float64Array): void => {
  const room = writer.room(Math.ceil(cells.length / 8));
  room.fill(0);
  cells.forEach((cell, at) => {
    if (cell === 1) room[at >> 3] = (room[at >> 3] ?? 0) | (1 << (at & 7));
  });
};

const writeEntries = (writer: ByteWriter, entries: readonly Uint8Array[], cells: Float64Array): void => {
  let used = 0;
  for (const cell of cells) used = Math.max(used, cell + 1);
  writer.varint(used);
  for (const entry of entries.slice(0, used)) {
    writer.varint(entry.length);
    writer.bytes(entry);
  }
  writeIntegers(writer, cells);
};

const writeCells = (writer: ByteWriter, { entries, kind }: Channel, cells: Float64Array): void => {
  if (kind === "number") writeNumbers(writer, cells);
  else if (kind === "boolean") writeFlags(writer, cells);
  else writeEntries(writer, entries, cells);
};

/** Writes column by column; each step is a piece of work after which others may have their turn. */
function* writeSteps(
  writer: ByteWriter,
  channels: readonly Channel[],
  rows: Rows,
  count: number,
): Generator<void> {
  const { cells, times } = columnsOf(rows, count);
  writer.varint(count);
  writer.varint(times.length);
  channels.slice(0, times.length).forEach((channel, index) => {
    writeChannel(writer, channel, times[index]?.length ?? 0);
  });
  yield;
  writeTimes(writer, times);
  yield;
  writeOrder(writer, rows.channel.subarray(0, count), times);
  for (const [index, channel] of channels.slice(0, times.length).entries()) {
    yield;
    writeCells(writer, channel, cells[index] ?? new Float64Array());
  }
}

const encode = (channels: readonly Channel[], rows: Rows, count: number): Uint8Array => {
  const writer = new ByteWriter();
  for (const _step of writeSteps(writer, channels, rows, count));
  return Buffer.concat([MAGIC, deflateSync(writer.written(), DEFLATE)]);
};

const deflated = (bytes: Uint8Array): Promise<Uint8Array> =>
  new Promise((resolve, reject) => {
    deflate(bytes, DEFLATE, (error, result) => {
      if (error === null) resolve(result);
      else reject(error);
    });
  });

const encodeGently = async (
  channels: readonly Channel[],
  rows: Rows,
  count: number,
  turn: () => Promise<void>,
): Promise<Uint8Array> => {
  const writer = new ByteWriter();
  for (const _step of writeSteps(writer, channels, rows, count)) await turn();
  return Buffer.concat([MAGIC, await deflated(writer.written())]);
};

export interface ColumnsBuilder extends PackBuilder {
  /** The same bytes as `encode`, for a large pack: a column at a time with `turn` in between, deflated on another thread. */
  encodeGently(count: number, turn: () => Promise<void>): Promise<Uint8Array>;
}

const FIRST_ROWS = 256;

export const createColumnsBuilder = (): ColumnsBuilder => {
  const channels = new Channels();
  let rows = rowsOf(FIRST_ROWS);
  let count = 0;
  return {
    encoding: COLUMNS_ENCODING,
    get count() {
      return count;
    },
    add: (reading) => {
      if (count === rows.time.length) rows = grown(rows);
      const index = channels.indexOf(reading);
      const channel = channels.list[index];
      rows.channel[count] = index;
      rows.time[count] = reading.timeMs;
      rows.cell[count] = channel === undefined ? 0 : cellOf(channel, reading.value);
      count += 1;
    },
    encode: (some) => encode(channels.list, rows, some),
    encodeGently: (some, turn) => encodeGently(channels.list, rows, some, turn),
  };
};
