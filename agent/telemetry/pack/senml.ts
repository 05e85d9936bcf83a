// The encoding `senml+cbor+zlib`, written: SenML records in CBOR (RFC 8428 sections 4 and 6), deflated (RFC 1950). Any SenML library reads it.
//
// Record by record, so that a pack can be tried at several lengths without encoding its records again:
//   base name (bn) up to its last "/", base unit (bu): given where they change; base time (bt): whole seconds of the first reading.
// What RFC 8428 cannot say: times before 1978 (2^28 s) mean "relative to now" to a general reader; here they are what they say.
import { deflateSync } from "node:zlib";
// The pure JavaScript half of the package: its main entry looks for a native addon.
import { Encoder } from "cbor-x/encode";
import type { PackReading } from "../received.ts";
import type { PackBuilder } from "./builder.ts";
import { LABEL } from "./labels.ts";

export const SENML_ENCODING = "senml+cbor+zlib";

/** A half-precision float (RFC 8949 section 3.3): the encoder takes -0 for the integer 0. */
const MINUS_ZERO = Uint8Array.of(0xf9, 0x80, 0x00);
/** An array whose length follows in four bytes. */
const ARRAY_32 = 0x9a;
const DEFLATE_LEVEL = 9;

type Record = Map<number, number | string | boolean | Uint8Array>;

interface Base {
  name: string;
  unit: string;
  /** Whole seconds; null before the first record. */
  seconds: number | null;
}

const prefixOf = (name: string): string => name.slice(0, name.lastIndexOf("/") + 1);

const nameFields = (record: Record, { name }: PackReading, base: Base): void => {
  if (!name.startsWith(base.name)) {
    base.name = prefixOf(name);
    record.set(LABEL.baseName, base.name);
  }
  const rest = name.slice(base.name.length);
  if (rest !== "") record.set(LABEL.name, rest);
};

const unitFields = (record: Record, { unit }: PackReading, base: Base): void => {
  // A reading without a unit among others with one; and one whose unit is the empty text, which is not the same.
  if (unit === "") record.set(LABEL.unit, "");
  else if ((unit ?? "") !== base.unit) {
    base.unit = unit ?? "";
    record.set(LABEL.baseUnit, base.unit);
  }
};

const timeFields = (record: Record, { timeMs }: PackReading, base: Base): void => {
  if (base.seconds === null) {
    base.seconds = Math.floor(timeMs / 1000);
    record.set(LABEL.baseTime, base.seconds);
  }
  const restMs = timeMs - base.seconds * 1000;
  if (restMs !== 0) record.set(LABEL.time, restMs / 1000);
};

const firstNameFields = (record: Record, reading: PackReading, base: Base): void => {
  base.name = prefixOf(reading.name);
  if (base.name !== "") record.set(LABEL.baseName, base.name);
};

const valueLabel = (value: PackReading["value"]): number => {
  if (typeof value === "number") return LABEL.value;
  if (typeof value === "boolean") return LABEL.booleanValue;
  return typeof value === "string" ? LABEL.stringValue : LABEL.dataValue;
};

/** The value stands last, so that the one byte that stands for 0 can give way to -0. */
const encodeRecord = (encoder: Encoder, record: Record, value: PackReading["value"]): Uint8Array => {
  record.set(valueLabel(value), value);
  const bytes = encoder.encode(record);
  // A copy: the encoder's own buffer is a window into a larger one, which would stay in memory as long as any record.
  return Object.is(value, -0) ? Buffer.concat([bytes.subarray(0, -1), MINUS_ZERO]) : Uint8Array.from(bytes);
};

const arrayHead = (records: number): Uint8Array => {
  const head = Buffer.alloc(5);
  head.writeUInt8(ARRAY_32, 0);
  head.writeUInt32BE(records, 1);
  return head;
};

export const createSenmlBuilder = (): PackBuilder => {
  const encoder = new Encoder({ mapsAsObjects: false, useRecords: false, tagUint8Array: false });
  const base: Base = { name: "", unit: "", seconds: null };
  const records: Uint8Array[] = [];
  return {
    encoding: SENML_ENCODING,
    get count() {
      return records.length;
    },
    add: (reading) => {
      const record: Record = new Map();
      if (base.seconds === null) firstNameFields(record, reading, base);
      timeFields(record, reading, base);
      nameFields(record, reading, base);
      unitFields(record, reading, base);
      records.push(encodeRecord(encoder, record, reading.value));
    },
    encode: (count) =>
      deflateSync(Buffer.concat([arrayHead(count), ...records.slice(0, count)]), { level: DEFLATE_LEVEL }),
  };
};
