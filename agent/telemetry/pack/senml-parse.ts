// The encoding `senml+cbor+zlib`, read: RFC 8428 sections 4 and 6. Base fields are resolved; a label that ends in "_" must be understood (section 4.4),
// and none is; other unknown labels are ignored. Sums (s, bs) and update times (ut) say nothing of a reading here.
import { Decoder } from "cbor-x/decode";
import { malformed, overLimit, TelemetryError } from "../errors.ts";
import { PACK_TEXT_BYTES_MAX, TIME_MS_MAX } from "../limits.ts";
import type { PackReading } from "../received.ts";
import { scanSenml } from "./cbor-scan.ts";
import { inflateWhole } from "./inflate.ts";
import { LABEL, SENML_VERSION } from "./labels.ts";

type Fields = ReadonlyMap<unknown, unknown>;

interface Base {
  name: string;
  unit: string;
  /** Seconds. */
  time: number;
  value: number | null;
}

const numberAt = (fields: Fields, label: number, path: string): number | undefined => {
  const value = fields.get(label);
  if (value === undefined || typeof value === "number") return value;
  if (typeof value === "bigint") return Number(value);
  throw malformed(path, "a number");
};

const textAt = (fields: Fields, label: number, path: string): string | undefined => {
  const value = fields.get(label);
  if (value === undefined || typeof value === "string") return value;
  throw malformed(path, "text");
};

const understand = (fields: Fields, path: string): void => {
  for (const label of fields.keys())
    if (typeof label === "string" && label.endsWith("_"))
      throw new TelemetryError(
        "ENCODING",
        `telemetry: ${path}: the field ${JSON.stringify(label.slice(0, 40))} must be understood and is not`,
      );
  const version = numberAt(fields, LABEL.baseVersion, `${path}.bver`);
  if (version !== undefined && version !== SENML_VERSION)
    throw new TelemetryError(
      "VERSION",
      `telemetry: ${path}: SenML version ${SENML_VERSION} is known, found ${version}`,
    );
};

const rebase = (base: Base, fields: Fields, path: string): void => {
  base.name = textAt(fields, LABEL.baseName, `${path}.bn`) ?? base.name;
  base.unit = textAt(fields, LABEL.baseUnit, `${path}.bu`) ?? base.unit;
  base.time = numberAt(fields, LABEL.baseTime, `${path}.bt`) ?? base.time;
  base.value = numberAt(fields, LABEL.baseValue, `${path}.bv`) ?? base.value;
};

const numberValue = (fields: Fields, base: Base, path: string): number | undefined => {
  const own = numberAt(fields, LABEL.value, `${path}.v`);
  if (own === undefined) return undefined;
  const value = base.value === null ? own : base.value + own;
  if (!Number.isFinite(value)) throw malformed(`${path}.v`, "a finite number");
  return value;
};

const singleValue = (fields: Fields, base: Base, path: string): PackReading["value"] => {
  const data = fields.get(LABEL.dataValue);
  const flag = fields.get(LABEL.booleanValue);
  const found = [
    numberValue(fields, base, path),
    textAt(fields, LABEL.stringValue, `${path}.vs`),
    typeof flag === "boolean" ? flag : undefined,
    // The decoder's bytes are a window into the whole pack.
    data instanceof Uint8Array ? new Uint8Array(data) : undefined,
  ].filter((value) => value !== undefined);
  const [value] = found;
  if (found.length !== 1 || value === undefined) throw malformed(path, "one value: v, vs, vb or vd");
  return value;
};

const timeOf = (fields: Fields, base: Base, path: string): number => {
  const time = numberAt(fields, LABEL.time, `${path}.t`) ?? 0;
  // Each to milliseconds first: a base of whole seconds and a rest below them give the exact millisecond.
  const timeMs = Math.round(base.time * 1000 + time * 1000);
  if (!(timeMs >= 0 && timeMs <= TIME_MS_MAX)) throw malformed(`${path}.t`, "a time since the epoch");
  return timeMs + 0;
};

const parseRecord = (record: unknown, base: Base, index: number): PackReading => {
  const path = `pack[${index}]`;
  if (!(record instanceof Map)) throw malformed(path, "a record");
  const fields: Fields = record;
  understand(fields, path);
  rebase(base, fields, path);
  const name = base.name + (textAt(fields, LABEL.name, `${path}.n`) ?? "");
  if (name === "") throw malformed(`${path}.n`, "a name");
  const own = textAt(fields, LABEL.unit, `${path}.u`);
  const unit = own ?? (base.unit === "" ? undefined : base.unit);
  const value = singleValue(fields, base, path);
  return { name, value, timeMs: timeOf(fields, base, path), ...(unit === undefined ? {} : { unit }) };
};

/** Names and units can be made long by a base that is given once: bounded like the texts of any pack. */
const spend = (left: number, { name, unit }: PackReading): number => {
  const rest = left - name.length - (unit?.length ?? 0);
  if (rest < 0) throw overLimit("characters of a pack", PACK_TEXT_BYTES_MAX);
  return rest;
};

/** Reads a pack that holds exactly `count` readings; null: as many as it says. Throws `TelemetryError`. */
export const decodeSenml = (bytes: Uint8Array, count: number | null): PackReading[] => {
  const cbor = inflateWhole(bytes);
  const records = scanSenml(cbor);
  if (count !== null && records !== count) throw malformed("pack", `${count} readings, found ${records}`);
  const decoded: unknown = new Decoder({ mapsAsObjects: false, useRecords: false }).decode(cbor);
  if (!Array.isArray(decoded)) throw malformed("pack", "a list of records");
  const base: Base = { name: "", unit: "", time: 0, value: null };
  let left = PACK_TEXT_BYTES_MAX;
  return decoded.map((record: unknown, index) => {
    const reading = parseRecord(record, base, index);
    left = spend(left, reading);
    return reading;
  });
};
