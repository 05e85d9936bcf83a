// The columnar encoding, read (docs/telemetry-pack.md). Every length is checked before anything is made of it; a pack holds what it says, to the last byte.
import { malformed, overLimit, TelemetryError } from "../errors.ts";
import { PACK_NAME_BYTES_MAX, PACK_READINGS_MAX, PACK_TEXT_BYTES_MAX, TIME_MS_MAX } from "../limits.ts";
import { inflateWhole } from "../pack/inflate.ts";
import type { PackReading } from "../received.ts";
import { ByteReader } from "./bytes.ts";
import { KINDS, type Kind, MAGIC } from "./format.ts";
import { readIntegers } from "./integers.ts";
import { readNumbers } from "./numbers.ts";
import { readOrder } from "./order.ts";

interface Channel {
  readonly name: string;
  readonly unit: string | undefined;
  readonly kind: Kind;
  readonly length: number;
}

const utf8 = (bytes: Uint8Array): string => {
  try {
    // Without `ignoreBOM` a text that begins with one would lose it.
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw malformed("pack", "texts in UTF-8");
  }
};

const readText = (reader: ByteReader): string => {
  const length = reader.varint();
  if (length > PACK_NAME_BYTES_MAX) throw overLimit("bytes of a name", PACK_NAME_BYTES_MAX);
  return utf8(reader.take(length));
};

const readChannel = (reader: ByteReader): Channel => {
  const flags = reader.byte();
  const kind = KINDS[flags % KINDS.length];
  if (kind === undefined || flags >= 2 * KINDS.length) throw malformed("pack", "a known kind of channel");
  const name = readText(reader);
  if (name === "") throw malformed("pack", "a name for each channel");
  const unit = flags >= KINDS.length ? readText(reader) : undefined;
  const length = reader.varint();
  if (length === 0) throw malformed("pack", "channels with readings");
  return { name, unit, kind, length };
};

const readChannels = (reader: ByteReader, count: number): Channel[] => {
  const channels = reader.varint();
  // A channel takes four bytes and more: none is made for a number that its input cannot hold.
  if (channels > count || channels > reader.left) throw malformed("pack", "no more channels than readings");
  const list: Channel[] = [];
  let left = count;
  for (let index = 0; index < channels; index += 1) {
    const channel = readChannel(reader);
    left -= channel.length;
    if (left < 0) break;
    list.push(channel);
  }
  if (left !== 0) throw malformed("pack", "as many readings in its channels as it has");
  return list;
};

const readTimes = (reader: ByteReader, channels: readonly Channel[]): Float64Array[] => {
  const times: Float64Array[] = [];
  for (const { length } of channels) {
    const like = reader.varint();
    const theirs = like === 0 ? null : times[like - 1];
    if (theirs === undefined || (theirs !== null && theirs.length !== length))
      throw malformed("pack", "times like those of an earlier channel of the same length");
    const own = readIntegers(reader, length);
    const column = theirs === null ? own : own.map((value, at) => value + (theirs[at] ?? 0));
    if (!column.every((time) => time >= 0 && time <= TIME_MS_MAX))
      throw malformed("pack", "times since the epoch");
    times.push(column);
  }
  return times;
};

/** Characters and bytes that readings may still make of their dictionaries. */
interface Allowance {
  left: number;
}

const spend = (allowance: Allowance, bytes: number): void => {
  allowance.left -= bytes;
  if (allowance.left < 0) throw overLimit("bytes of texts in a pack", PACK_TEXT_BYTES_MAX);
};

const readFlags = (reader: ByteReader, length: number): boolean[] => {
  const bytes = reader.take(Math.ceil(length / 8));
  return Array.from({ length }, (_, at) => ((bytes[at >> 3] ?? 0) & (1 << (at & 7))) !== 0);
};

const readEntries = (reader: ByteReader, length: number): Uint8Array[] => {
  const entries = reader.varint();
  if (entries > length) throw malformed("pack", "no more texts than readings");
  return Array.from({ length: entries }, () => reader.take(reader.varint()));
};

const readPlaced = <T>(
  reader: ByteReader,
  length: number,
  allowance: Allowance,
  make: (entry: Uint8Array) => T,
): T[] => {
  const entries = readEntries(reader, length);
  const values = entries.map(make);
  return Array.from(readIntegers(reader, length), (place) => {
    const [entry, value] = [entries[place], values[place]];
    if (entry === undefined || value === undefined) throw malformed("pack", "texts that it holds");
    spend(allowance, entry.length);
    return value;
  });
};

const readValues = (
  reader: ByteReader,
  { kind, length }: Channel,
  allowance: Allowance,
): readonly PackReading["value"][] => {
  if (kind === "number") return Array.from(readNumbers(reader, length));
  if (kind === "boolean") return readFlags(reader, length);
  if (kind === "text") return readPlaced(reader, length, allowance, utf8);
  // Copied: the dictionary is a window into the whole pack.
  return readPlaced(reader, length, allowance, (entry) => Uint8Array.from(entry));
};

const inOrder = (
  order: Uint32Array,
  channels: readonly Channel[],
  times: readonly Float64Array[],
  values: readonly (readonly PackReading["value"][])[],
): PackReading[] => {
  const next = new Uint32Array(channels.length);
  return Array.from(order, (index) => {
    const at = next[index] ?? 0;
    next[index] = at + 1;
    const [channel, time, value] = [channels[index], times[index]?.[at], values[index]?.[at]];
    if (channel === undefined || time === undefined || value === undefined)
      throw malformed("pack", "columns of the lengths that it says");
    const { name, unit } = channel;
    return { name, value, timeMs: time, ...(unit === undefined ? {} : { unit }) };
  });
};

const bodyOf = (bytes: Uint8Array): Uint8Array => {
  const magic = bytes.subarray(0, MAGIC.length);
  if (Buffer.compare(magic, MAGIC) === 0) return inflateWhole(bytes.subarray(MAGIC.length));
  if (Buffer.compare(magic.subarray(0, 3), MAGIC.subarray(0, 3)) === 0)
    throw new TelemetryError("VERSION", "telemetry: pack: a later version of columns");
  throw malformed("pack", 'columns, which begin with "PTC1"');
};

/** Reads a pack that holds exactly `expected` readings; null: as many as it says. Throws `TelemetryError`. */
export const decodeColumns = (bytes: Uint8Array, expected: number | null): PackReading[] => {
  const reader = new ByteReader(bodyOf(bytes));
  const count = reader.varint();
  if (expected !== null && count !== expected)
    throw malformed("pack", `${expected} readings, found ${count}`);
  if (count > PACK_READINGS_MAX) throw overLimit("readings of a pack", PACK_READINGS_MAX);
  const channels = readChannels(reader, count);
  const times = readTimes(reader, channels);
  const order = readOrder(reader, times);
  const allowance: Allowance = { left: PACK_TEXT_BYTES_MAX };
  const values = channels.map((channel) => readValues(reader, channel, allowance));
  if (reader.left > 0) throw malformed("pack", "nothing behind its columns");
  return inOrder(order, channels, times, values);
};
