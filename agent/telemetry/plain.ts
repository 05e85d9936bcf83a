// One reading of the `plain` form, as a reader takes it: {n, u, t, v | vb | vs | vd} with SenML's labels (RFC 8428 section 4.2), `t` in integer ms.
import type { JsonObject, JsonValue } from "#agent/matrix/types.ts";
import { parseDecimal } from "./decimal.ts";
import { malformed } from "./errors.ts";
import type { PackReading } from "./received.ts";

const parseValue = (entry: JsonObject, path: string): PackReading["value"] => {
  const { v, vb, vs, vd } = entry;
  if (typeof v === "string") {
    const number = parseDecimal(v);
    if (number !== null) return number;
  }
  if (typeof vb === "boolean") return vb;
  if (typeof vs === "string") return vs;
  if (typeof vd === "string") return new Uint8Array(Buffer.from(vd, "base64url"));
  throw malformed(path, "a value: v (a decimal string), vb, vs or vd");
};

/** Throws `TelemetryError` MALFORMED. */
export const parsePlainReading = (entry: JsonValue, index: number): PackReading => {
  const path = `readings[${index}]`;
  if (typeof entry !== "object" || entry === null || Array.isArray(entry)) throw malformed(path, "an object");
  const fields = entry as JsonObject; // no list and not null: what is left of JSON's objects
  const { n, u, t } = fields;
  if (typeof n !== "string" || n === "") throw malformed(`${path}.n`, "a name");
  if (typeof t !== "number" || !Number.isSafeInteger(t) || t < 0)
    throw malformed(`${path}.t`, "an integer of 0 or more");
  return {
    name: n,
    timeMs: t,
    value: parseValue(fields, path),
    ...(typeof u === "string" ? { unit: u } : {}),
  };
};
