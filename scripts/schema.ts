// `node scripts/schema.ts`: writes docs/petrel.schema.json (for editors) and docs/configuration.md (for people) from the schemas that validate
// petrel.yaml, so that neither can say something else. A test compares what is committed with what comes out.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import * as z from "zod";
import { configSchema } from "#agent/config/config.ts";
import { driverKinds } from "#agent/ingest/registry.ts";

export interface JsonSchema {
  readonly description?: string;
  readonly type?: string | readonly string[];
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: JsonSchema | boolean;
  readonly items?: JsonSchema;
  readonly anyOf?: readonly JsonSchema[];
  readonly oneOf?: readonly JsonSchema[];
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly default?: unknown;
  readonly pattern?: string;
}

const ROOT = join(fileURLToPath(import.meta.url), "../..");
export const SCHEMA_FILE: string = join(ROOT, "docs/petrel.schema.json");
export const CONFIGURATION_FILE: string = join(ROOT, "docs/configuration.md");

const toJsonSchema = (schema: z.ZodType): JsonSchema => {
  const { $schema: _draft, ...rest } = z.toJSONSchema(schema, { io: "input", unrepresentable: "any" });
  return rest as JsonSchema; // zod's own type is wider: any draft, any vendor key
};

/** The options of each driver kind, with the key that chooses it. */
const kindSchemas = async (): Promise<Record<string, JsonSchema>> => {
  const entries = await Promise.all(
    Object.entries(driverKinds).map(async ([name, load]) => {
      const options = toJsonSchema((await load()).schema);
      const properties = { type: { const: name, description: "The kind of driver." }, ...options.properties };
      return [name, { ...options, properties, required: ["type", ...(options.required ?? [])] }] as const;
    }),
  );
  return Object.fromEntries(entries);
};

export const buildSchema = async (): Promise<JsonSchema> => {
  const whole = toJsonSchema(configSchema);
  const kinds = await kindSchemas();
  const drivers: JsonSchema = {
    ...whole.properties?.["drivers"],
    additionalProperties: { oneOf: Object.values(kinds) },
  };
  return {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    title: "petrel.yaml",
    ...whole,
    properties: { ...whole.properties, drivers },
  } as JsonSchema;
};

const typeText = (schema: JsonSchema): string => {
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.enum !== undefined) return schema.enum.map((value) => JSON.stringify(value)).join(", ");
  const branches = schema.anyOf ?? schema.oneOf;
  if (branches !== undefined) return [...new Set(branches.map(typeText))].join(" or ");
  if (schema.type === "array")
    return `list of ${schema.items === undefined ? "anything" : typeText(schema.items)}`;
  if (schema.type === "object") return "mapping";
  return schema.type === undefined ? "text" : [schema.type].flat().join(", ").replace("string", "text");
};

const defaultText = (schema: JsonSchema, required: boolean): string => {
  if (schema.default !== undefined && typeof schema.default !== "object")
    return `\`${JSON.stringify(schema.default)}\``;
  return required ? "required" : "";
};

const cell = (text: string): string => text.replaceAll("|", "\\|").replaceAll("\n", " ");

/** One mapping or a list of them: its keys are told once. */
const mappingIn = ({ anyOf = [] }: JsonSchema): JsonSchema =>
  anyOf.find(({ type }) => type === "object") ?? {};

/** Rows of a mapping's keys, the keys of mappings within it after them. */
const rowsOf = (schema: JsonSchema, path: string): string[] =>
  Object.entries(schema.properties ?? {}).flatMap(([key, value]) => {
    const required = schema.required?.includes(key) === true && value.default === undefined;
    const name = path === "" ? key : `${path}.${key}`;
    const row = `| \`${name}\` | ${cell(typeText(value))} | ${defaultText(value, required)} | ${cell(value.description ?? "")} |`;
    const inner = value.type === "object" ? value : (value.items ?? mappingIn(value));
    const named =
      typeof value.additionalProperties === "object"
        ? rowsOf(value.additionalProperties, `${name}.<name>`)
        : [];
    return [row, ...rowsOf(inner, value.type === "array" ? `${name}[]` : name), ...named];
  });

const HEAD = "| key | value | default | what it is |\n|---|---|---|---|";

const table = (schema: JsonSchema, path: string): string => [HEAD, ...rowsOf(schema, path)].join("\n");

const INTRODUCTION = `# Configuration: petrel.yaml

<!-- Made by scripts/schema.ts from the schemas that validate the file: change those. -->

One YAML 1.2 file. Where it is looked for, unless \`--config\` names another place:

| who runs Petrel | file | state folder |
|---|---|---|
| root, or the system service | \`/etc/petrel/petrel.yaml\` | \`/var/lib/petrel\` (or systemd's \`STATE_DIRECTORY\`) |
| a plain user | \`~/.config/petrel/petrel.yaml\` (\`XDG_CONFIG_HOME\`) | \`~/.local/state/petrel\` (\`XDG_STATE_HOME\`) |

\`petrel check\` says whether the file is right, and for each problem the line, the column, what was expected and what was found.
For completion in an editor, put \`# yaml-language-server: $schema=PATH/docs/petrel.schema.json\` on the first line.

Durations are written \`500ms\`, \`5s\`, \`2m\`, \`1h\`, \`7d\`; sizes \`64KiB\`, \`10MB\`, \`1GiB\`. A secret is never written into the file, only where it lies:
\`{ file: PATH }\`, \`{ env: NAME }\`, or \`{ credential: NAME }\` for a systemd credential.
`;

export const renderDocument = async (): Promise<string> => {
  const whole = toJsonSchema(configSchema);
  const { drivers: _drivers, ...sections } = whole.properties ?? {};
  const parts = [INTRODUCTION, "## Sections\n", table({ ...whole, properties: sections }, "")];
  parts.push(
    "\n## Drivers\n\nUnder `drivers`, each entry has a name of its own and a `type`; the other keys are those of that type.\n",
  );
  for (const [name, schema] of Object.entries(await kindSchemas()))
    parts.push(`### ${name}\n\n${table(schema, "")}\n`);
  return `${parts.join("\n").trimEnd()}\n`;
};

export const committed = (): { readonly schema: string; readonly document: string } => ({
  schema: readFileSync(SCHEMA_FILE, "utf8"),
  document: readFileSync(CONFIGURATION_FILE, "utf8"),
});

export const rendered = async (): Promise<{ readonly schema: string; readonly document: string }> => ({
  schema: `${JSON.stringify(await buildSchema(), null, 1)}\n`,
  document: await renderDocument(),
});

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { document, schema } = await rendered();
  writeFileSync(SCHEMA_FILE, schema);
  writeFileSync(CONFIGURATION_FILE, document);
  console.log("wrote docs/petrel.schema.json and docs/configuration.md");
}
