// petrel.yaml, whole: the top-level keys and who owns each. Reading it never touches the outside: text in, configuration or `ConfigError` out.
import type { ZodType } from "zod";
import * as z from "zod";
import { type CommandsConfig, commandsSchema } from "#agent/commands/schema.ts";
import { type DeliveryConfig, deliverySchema } from "#agent/delivery/schema.ts";
import { type DeviceConfig, deviceSchema } from "#agent/device.ts";
import { type EncryptionConfig, encryptionSchema } from "#agent/encryption/schema.ts";
import { type KindLoader, type LoadedKind, ONCE } from "#agent/ingest/registry.ts";
import { type LogConfig, logSchema } from "#agent/log.ts";
import { type HomeserverConfig, homeserverSchema } from "#agent/matrix/schema.ts";
import { type MetricsConfig, metricsSchema } from "#agent/metrics/schema.ts";
import { type RoomsConfig, roomsSchema } from "#agent/rooms/schema.ts";
import { type SubscriptionConfig, subscriptionsSchema } from "#agent/subscriptions/schema.ts";
import { type Channels, channelsSchema } from "#agent/telemetry/channels.ts";
import { type TimeConfig, timeSchema } from "#agent/time/schema.ts";
import {
  type ConfigDocument,
  ConfigError,
  type Path,
  type Problem,
  parseConfigDocument,
} from "./document.ts";
import { nearest } from "./nearest.ts";
import { describeValue, problemsOf } from "./problems.ts";
import { inlineSecrets } from "./secrets.ts";

export interface DriverEntry {
  readonly kind: LoadedKind;
  /** As written, secrets still references: validated by the kind's schema. */
  readonly options: unknown;
}

export interface Config {
  readonly version: 1;
  readonly device: DeviceConfig;
  readonly homeserver: HomeserverConfig;
  readonly rooms: RoomsConfig;
  readonly drivers: ReadonlyMap<string, DriverEntry>;
  readonly channels: Channels;
  readonly commands: CommandsConfig;
  readonly delivery: DeliveryConfig;
  readonly encryption: EncryptionConfig;
  readonly subscriptions: readonly SubscriptionConfig[];
  readonly metrics: MetricsConfig;
  readonly time: TimeConfig;
  readonly log: LogConfig;
}

type Sections = Omit<Config, "drivers"> & {
  readonly drivers: Readonly<Record<string, { readonly type: string }>>;
};

const driverName = z
  .string()
  .regex(/^[a-z][a-z0-9_-]{0,31}$/, { error: 'expected a driver name such as "gps"' });

export const configSchema: ZodType<Sections> = z.strictObject({
  version: z.literal(1).describe("Version of this file's format."),
  device: deviceSchema.describe("Who this installation is."),
  homeserver: homeserverSchema.describe("The account and where it lives."),
  rooms: roomsSchema.prefault({}).describe("Where telemetry and people's messages go."),
  drivers: z
    .record(driverName, z.looseObject({ type: z.string().min(1) }))
    .default({})
    .describe("What is read and written: one entry per line, broker or pin."),
  channels: channelsSchema.default({}).describe("What is known of readings, by their names."),
  commands: commandsSchema.prefault({}).describe("What operators may ask for."),
  delivery: deliverySchema.prefault({}).describe("Batching, and how much may wait."),
  encryption: encryptionSchema.prefault({}).describe("End-to-end encryption."),
  subscriptions: subscriptionsSchema
    .default([])
    .describe("Rooms whose telemetry is published to a broker here (docs/subscriptions.md)."),
  metrics: metricsSchema.prefault({}).describe("What a Prometheus may read of the agent (docs/metrics.md)."),
  time: timeSchema.prefault({}).describe("What says what time it is, beside the system itself."),
  log: logSchema.prefault({}).describe("What is written to the log."),
});

/** A driver's options without the key that chose it. */
export const optionsOf = (entry: Readonly<Record<string, unknown>>): Record<string, unknown> => {
  const { type: _type, ...options } = entry;
  return options;
};

const unknownKind = (
  document: ConfigDocument,
  path: Path,
  type: string,
  kinds: readonly string[],
): Problem => {
  const guess = nearest(type, kinds);
  return {
    file: document.file,
    place: document.placeOf([...path, "type"]),
    path: [...path, "type"].join("."),
    expected: `one of ${kinds.join(", ")}`,
    found: describeValue(type),
    ...(guess === null ? {} : { hint: `did you mean "${guess}"?` }),
  };
};

const inlineSecret = (document: ConfigDocument, path: Path): Problem => ({
  file: document.file,
  place: document.placeOf(path),
  path: path.join("."),
  expected:
    "a reference to a secret: { file: PATH }, { env: NAME } or { credential: NAME }, never the secret itself",
  found: "text (not shown)",
});

interface Loaded {
  readonly drivers: ReadonlyMap<string, DriverEntry>;
  readonly problems: readonly Problem[];
}

const loadDrivers = async (
  document: ConfigDocument,
  entries: Sections["drivers"],
  kinds: Readonly<Record<string, KindLoader>>,
): Promise<Loaded> => {
  const drivers = new Map<string, DriverEntry>();
  const problems: Problem[] = [];
  for (const [name, entry] of Object.entries(entries)) {
    const path = ["drivers", name];
    const load = Object.hasOwn(kinds, entry.type) ? kinds[entry.type] : undefined;
    if (load === undefined) {
      problems.push(unknownKind(document, path, entry.type, Object.keys(kinds)));
      continue;
    }
    const kind = await load();
    const options = optionsOf({ ...entry });
    problems.push(...inlineSecrets(options).map((at) => inlineSecret(document, [...path, ...at])));
    const parsed = kind.schema.safeParse(options, ONCE);
    if (parsed.success) drivers.set(name, { kind, options });
    else problems.push(...problemsOf(document, kind.schema, parsed.error.issues, path));
  }
  return { drivers, problems };
};

/** A driver that is named elsewhere in the file and is not there. */
const unknownDriver = (
  document: ConfigDocument,
  sections: Sections,
  path: Path,
  driver: string,
): Problem[] => {
  const known = Object.keys(sections.drivers);
  if (known.includes(driver)) return [];
  return [
    {
      file: document.file,
      place: document.placeOf(path),
      path: path.join("."),
      expected: known.length === 0 ? "a driver of this file, which has none" : `one of ${known.join(", ")}`,
      found: describeValue(driver),
    },
  ];
};

const driverProblems = (document: ConfigDocument, sections: Sections): Problem[] => [
  ...Object.entries(sections.commands.list).flatMap(([name, rule]) =>
    rule.write === undefined
      ? []
      : unknownDriver(document, sections, ["commands", "list", name, "write", "driver"], rule.write.driver),
  ),
  ...sections.subscriptions.flatMap(({ driver }, index) =>
    unknownDriver(document, sections, ["subscriptions", index, "driver"], driver),
  ),
];

/** `drivers:` with every line below it commented out is a section that is not there. */
const withoutEmptySections = (value: unknown): unknown =>
  typeof value === "object" && value !== null && !Array.isArray(value)
    ? Object.fromEntries(Object.entries(value).filter(([, section]) => section !== null))
    : value;

const isMapping = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** The drivers that can be judged although another section is wrong: a person wants to see all at once. */
const driversIn = (value: unknown): Sections["drivers"] => {
  const drivers = isMapping(value) ? value["drivers"] : null;
  return Object.fromEntries(
    Object.entries(isMapping(drivers) ? drivers : {}).flatMap(([name, entry]) =>
      isMapping(entry) && typeof entry["type"] === "string" && entry["type"] !== ""
        ? [[name, { ...entry, type: entry["type"] }]]
        : [],
    ),
  );
};

/** Parses and validates the text of a configuration file. Rejects with `ConfigError`, which holds every problem found. */
export const parseConfig = async (
  file: string,
  text: string,
  kinds: Readonly<Record<string, KindLoader>>,
): Promise<Config> => {
  const document = parseConfigDocument(file, text);
  const value = withoutEmptySections(document.value ?? {});
  const parsed = configSchema.safeParse(value, ONCE);
  if (!parsed.success) {
    const inDrivers = await loadDrivers(document, driversIn(value), kinds);
    throw new ConfigError([
      ...problemsOf(document, configSchema, parsed.error.issues),
      ...inDrivers.problems,
    ]);
  }
  const { drivers, problems } = await loadDrivers(document, parsed.data.drivers, kinds);
  const all = [...problems, ...driverProblems(document, parsed.data)];
  if (all.length > 0) throw new ConfigError(all);
  return { ...parsed.data, drivers };
};
