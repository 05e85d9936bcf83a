// From a payload to readings: which value, under which name, in which unit and of which type. Shared by the drivers of bytes and by mqtt.
// Names are SenML names (RFC 8428 section 4.5.1), units SenML units (section 12.1); the value's place is a path (json-path.ts).
//
//   readings:
//     - { name: gps/lat, from: lat, unit: lat, type: number }     a named group or a JSON path
//     - { name: "house/{room}/temperature", from: temperature }   a name made of other values of the same message
//
// Without rules everything readable becomes a reading: `<prefix>` for a single value, `<prefix>/<key>` for each value of a tree.
import type { ZodType } from "zod";
import * as z from "zod";
import type { Reading, Value } from "./driver.ts";
import { DriverError } from "./driver.ts";
import { type PathStep, parsePath, readPath } from "./json-path.ts";
import { DEFAULT_DEPTH_MAX, NAME_CHARS_MAX, READINGS_PER_PAYLOAD_MAX, RULES_MAX } from "./limits.ts";
import type { Payload } from "./payload.ts";
import { type Conversion, convert, type Outcome, shown, toNumber, toText } from "./values.ts";

export interface ReadingRule extends Conversion {
  readonly name: string;
  readonly from?: string | undefined;
  readonly unit?: string | undefined;
}

export interface TimeRule {
  readonly from: string;
  readonly format: "iso" | "s" | "ms";
}

/** The part of a driver's options that this file understands: `readings` and `time`. */
export interface MappingOptions {
  readonly readings?: readonly ReadingRule[] | undefined;
  readonly time?: TimeRule | undefined;
}

const SENML_NAME = /^[A-Za-z0-9][A-Za-z0-9:./_-]*$/;
const PLACE = /\{([^{}]+)\}/g;

/** Whether a text is a SenML name (RFC 8428 section 4.5.1) of a bearable length. */
export const isReadingName = (name: string): boolean =>
  name.length <= NAME_CHARS_MAX && SENML_NAME.test(name);

const isNameTemplate = (name: string): boolean => isReadingName(name.replaceAll(PLACE, "x"));

const isPath = (path: string): boolean => {
  try {
    parsePath(path);
    return true;
  } catch {
    return false;
  }
};

const pathSchema = z.string().min(1).refine(isPath, {
  error: "expected a path: names and indexes like lat, battery.cells[0] or ['any name']",
});

const ruleSchema: ZodType<ReadingRule> = z.strictObject({
  name: z
    .string()
    .refine(isNameTemplate, {
      error: `expected a name of letters, digits and : . / _ - that starts with a letter or digit (at most ${NAME_CHARS_MAX} characters), with {value} where a value goes in`,
    })
    .describe(
      "Name of the reading, such as battery/voltage. {x} is replaced by the value x of the same message (a named group, a JSON path, or a part of the topic).",
    ),
  from: pathSchema
    .optional()
    .describe(
      "Where the value is: a named group of the pattern, or a JSON path. Left out: the whole message.",
    ),
  unit: z
    .string()
    .min(1)
    .max(32)
    .optional()
    .describe("SenML unit (RFC 8428): Cel, V, A, %, m/s, lat, lon, m, Pa, B, ..."),
  type: z
    .enum(["number", "string", "boolean", "bytes"])
    .optional()
    .describe(
      "What the value must be. Left out: taken as it comes (a text that is a decimal number becomes a number).",
    ),
  scale: z.number().optional().describe("A number is multiplied by this first."),
  offset: z.number().optional().describe("Then this is added."),
});

/** The schema of `readings`, for the options of any driver that maps payloads. */
export const readingsSchema: ZodType<readonly ReadingRule[] | undefined> = z
  .array(ruleSchema)
  .min(1)
  .max(RULES_MAX)
  .optional()
  .describe("Which values become readings. Left out: every value that can be read, under the driver's name.");

/** The schema of `time`: where the source itself says when it took the sample. */
export const timeSchema: ZodType<TimeRule | undefined> = z
  .strictObject({
    from: pathSchema.describe("Where the time is: a named group, or a JSON path."),
    format: z
      .enum(["iso", "s", "ms"])
      .default("iso")
      .describe("iso: 2026-11-24T12:00:00Z; s or ms: seconds or milliseconds since 1970."),
  })
  .optional()
  .describe("Where a message says itself when the sample was taken. Left out: the time of arrival.");

/** What could not be read, and the counter that shows it to the operator. */
export interface MappingProblem {
  readonly counter: "malformed" | "unmatched";
  readonly message: string;
}

export interface Mapped {
  readonly readings: readonly Reading[];
  readonly problems: readonly MappingProblem[];
}

export interface MappingMoment {
  /** Monotonic time of arrival. */
  readonly monoMs: number;
  /** Further values for `{...}` in names, such as the parts of a topic. */
  readonly variables?: Readonly<Record<string, string>>;
}

export type Mapper = (payload: Payload, moment: MappingMoment) => Mapped;

/** What every rule of one message shares. */
interface Scope {
  readonly payload: Payload;
  readonly moment: MappingMoment;
  readonly sourceMs: number | null;
}

const rootOf = (payload: Payload): unknown => {
  if (payload.kind === "tree") return payload.value;
  return payload.kind === "text" ? payload.text : payload.bytes;
};

// A text or bytes have no inside: a path into them finds nothing.
const valueAt = (payload: Payload, path: readonly PathStep[] | null): unknown => {
  if (path === null) return rootOf(payload);
  return payload.kind === "tree" ? readPath(payload.value, path) : undefined;
};

/** Makes any text fit into a SenML name: what may not stand there becomes `_`. */
export const nameFrom = (text: string): string => text.replaceAll(/[^A-Za-z0-9:./_-]/g, "_");

type NameMaker = (scope: Scope) => Outcome<string>;

const placeholder = (place: string): ((scope: Scope) => string | null) => {
  const path = isPath(place) ? parsePath(place) : null;
  return ({ payload, moment }) => {
    const given = moment.variables;
    if (given !== undefined && Object.hasOwn(given, place)) return given[place] ?? null;
    return path === null ? null : toText(valueAt(payload, path));
  };
};

const compileName = (template: string): NameMaker => {
  // split() with a capturing group gives literal texts at even places and what stood in braces at odd ones.
  const parts = template.split(/\{([^{}]+)\}/);
  if (parts.length === 1) return () => ({ ok: template });
  const makers = parts.map((part, index) => (index % 2 === 0 ? () => part : placeholder(part)));
  return (scope) => {
    const texts = makers.map((make) => make(scope));
    const missing = texts.indexOf(null);
    if (missing >= 0)
      return { wrong: `the name needs a value {${parts[missing] ?? ""}}, and the message has none` };
    const name = nameFrom(texts.join(""));
    return isReadingName(name) ? { ok: name } : { wrong: `"${shown(name)}" is not a name for a reading` };
  };
};

type CompiledRule = (scope: Scope) => Outcome<Reading> | null;

const readingOf = (name: string, value: Value, unit: string | undefined, scope: Scope): Reading => ({
  name,
  value,
  ...(unit === undefined ? {} : { unit }),
  monoMs: scope.moment.monoMs,
  ...(scope.sourceMs === null ? {} : { sourceMs: scope.sourceMs }),
});

// A value that is absent (or null) is "not in this message", which is normal; a value of the wrong type is malformed.
const compileRule = (rule: ReadingRule): CompiledRule => {
  const makeName = compileName(rule.name);
  const path = rule.from === undefined ? null : parsePath(rule.from);
  return (scope) => {
    const raw = valueAt(scope.payload, path);
    if (raw === undefined || raw === null) return null;
    const value = convert(rule, raw);
    if ("wrong" in value) return { wrong: `${rule.name}: ${value.wrong}` };
    const name = makeName(scope);
    if ("wrong" in name) return { wrong: `${rule.name}: ${name.wrong}` };
    return { ok: readingOf(name.ok, value.ok, rule.unit, scope) };
  };
};

const collect = (outcomes: readonly (Outcome<Reading> | null)[]): Mapped => {
  const readings: Reading[] = [];
  const problems: MappingProblem[] = [];
  for (const outcome of outcomes) {
    if (outcome === null) continue;
    if ("ok" in outcome) readings.push(outcome.ok);
    else problems.push({ counter: "malformed", message: outcome.wrong });
  }
  if (readings.length === 0 && problems.length === 0)
    problems.push({ counter: "unmatched", message: "the message holds none of the configured values" });
  return { readings, problems };
};

// Without rules: the leaves of the tree, depth first, each under its own path.
const leaves = (prefix: string, node: unknown, depth: number, into: [string, unknown][]): void => {
  if (into.length >= READINGS_PER_PAYLOAD_MAX || node === null || node === undefined) return;
  const branch = typeof node === "object" && !(node instanceof Uint8Array);
  if (!branch) {
    into.push([prefix, node]);
    return;
  }
  if (depth === 0) return;
  for (const [key, child] of Object.entries(node))
    leaves(`${prefix}/${nameFrom(key)}`, child, depth - 1, into);
};

const everything =
  (prefix: string) =>
  (scope: Scope): Mapped => {
    const found: [string, unknown][] = [];
    leaves(prefix, rootOf(scope.payload), DEFAULT_DEPTH_MAX, found);
    return collect(
      found.map(([name, raw]) => {
        const value = convert({}, raw);
        if ("wrong" in value) return { wrong: `${name}: ${value.wrong}` };
        return isReadingName(name)
          ? { ok: readingOf(name, value.ok, undefined, scope) }
          : { wrong: `"${shown(name)}" is not a name for a reading` };
      }),
    );
  };

const parseTime = (raw: unknown, format: TimeRule["format"]): number | null => {
  if (format === "iso") {
    const ms = typeof raw === "string" ? Date.parse(raw) : Number.NaN;
    return Number.isNaN(ms) ? null : ms;
  }
  const value = toNumber(raw);
  return value === null ? null : value * (format === "s" ? 1000 : 1);
};

/** Empty text is no message at all: so a broker is told to keep nothing for new subscribers (MQTT 3.1.1 section 3.3.1.3). */
const isShapeless = (payload: Payload): boolean =>
  payload.kind === "text" ? payload.text.trim() !== "" : payload.kind === "bytes";

/** Every rule looks into the message, and it has no inside: it is not what was configured, whatever it holds. */
const shapeless = (payload: Payload): Mapped => ({
  readings: [],
  problems: [
    { counter: "malformed", message: `expected JSON or named values, to look into, found ${payload.kind}` },
  ],
});

/** Compiles the rules once; the mapper is then called for each payload and never throws. `prefix` is the name for what has no rule: the driver's name. */
export const compileMapping = (options: MappingOptions, prefix: string): Mapper => {
  if (options.readings === undefined && !isReadingName(prefix))
    throw new DriverError(
      "CONFIG",
      `the driver's name "${prefix}" cannot name its readings: use letters, digits and - _ only, or list them under readings`,
    );
  const rules = options.readings?.map(compileRule);
  const time = options.time;
  const timePath = time === undefined ? null : parsePath(time.from);
  const paths = options.readings?.map(({ from }) => from) ?? [];
  const looksInside = paths.length > 0 && !paths.includes(undefined);
  const map = rules ? (scope: Scope) => collect(rules.map((rule) => rule(scope))) : everything(prefix);
  return (payload, moment) => {
    if (looksInside && isShapeless(payload)) return shapeless(payload);
    const raw = timePath === null ? undefined : valueAt(payload, timePath);
    const sourceMs = time === undefined || raw === undefined ? null : parseTime(raw, time.format);
    return map({ payload, moment, sourceMs });
  };
};
