// Turns what a schema says of a value into problems that a person can act on: place, what was expected, what was found, the nearest known key.
import type { ZodType } from "zod";
import * as z from "zod";
import { type ConfigDocument, dotted, type Path, type Problem } from "./document.ts";
import { nearest } from "./nearest.ts";

const FOUND_CHARS_MAX = 60;

const valueAt = (root: unknown, path: Path): unknown =>
  path.reduce<unknown>(
    (value, key) => (typeof value === "object" && value !== null ? Reflect.get(value, key) : undefined),
    root,
  );

export const describeValue = (value: unknown): string => {
  if (value === undefined) return "nothing";
  if (Array.isArray(value)) return "a list";
  if (typeof value === "object" && value !== null) return "a mapping";
  const text = JSON.stringify(value);
  return text.length > FOUND_CHARS_MAX ? `${text.slice(0, FOUND_CHARS_MAX)}...` : text;
};

interface SchemaNode {
  readonly properties?: Readonly<Record<string, SchemaNode>>;
  readonly additionalProperties?: SchemaNode | boolean;
  readonly anyOf?: readonly SchemaNode[];
  readonly oneOf?: readonly SchemaNode[];
  readonly items?: SchemaNode;
}

const branches = (node: SchemaNode): readonly SchemaNode[] => [
  node,
  ...(node.anyOf ?? []),
  ...(node.oneOf ?? []),
];

const stepSchema = (nodes: readonly SchemaNode[], key: string | number): SchemaNode[] =>
  nodes
    .flatMap((node): (SchemaNode | boolean | undefined)[] => [
      node.properties?.[String(key)] ?? node.additionalProperties,
      typeof key === "number" ? node.items : undefined,
    ])
    .filter((next): next is SchemaNode => typeof next === "object")
    .flatMap(branches);

/** The keys that the schema knows at a path. */
export const knownKeys = (schema: ZodType, path: Path): string[] => {
  // toJSONSchema gives plain JSON Schema; the few members read here are those of SchemaNode.
  const root = z.toJSONSchema(schema, { io: "input", unrepresentable: "any" }) as SchemaNode;
  const nodes = path.reduce<readonly SchemaNode[]>(stepSchema, branches(root));
  return [...new Set(nodes.flatMap((node) => Object.keys(node.properties ?? {})))].sort();
};

type Issue = z.core.$ZodIssue;

const expectedOf = (issue: Issue): string => {
  switch (issue.code) {
    case "invalid_type":
      return (
        {
          string: "text",
          number: "a number",
          boolean: "true or false",
          object: "a mapping",
          array: "a list",
          record: "a mapping",
        }[issue.expected as string] ?? issue.expected
      );
    case "invalid_value":
      return issue.values.map((value) => JSON.stringify(value)).join(" or ");
    case "too_small":
      return `${issue.origin === "string" || issue.origin === "array" ? "a length of " : ""}at least ${String(issue.minimum)}`;
    case "too_big":
      return `${issue.origin === "string" || issue.origin === "array" ? "a length of " : ""}at most ${String(issue.maximum)}`;
    case "invalid_format":
      return isCustom(issue) ? afterExpected(issue.message) : `text like ${issue.pattern ?? issue.format}`;
    default:
      return afterExpected(issue.message);
  }
};

const afterExpected = (message: string): string => message.replace(/^(Invalid input: )?expected /i, "");

const isCustom = (issue: Issue): boolean =>
  issue.message.toLowerCase().startsWith("expected") && issue.code !== "invalid_value";

const unknownKeyProblems = (
  document: ConfigDocument,
  schema: ZodType,
  at: Path,
  base: Path,
  keys: readonly string[],
): Problem[] => {
  const known = knownKeys(schema, at);
  return keys.map((key) => {
    const guess = nearest(key, known);
    return {
      file: document.file,
      place: document.keyPlaceOf([...base, ...at, key]),
      path: dotted([...base, ...at, key]),
      expected: known.length === 0 ? "no key" : `one of ${known.join(", ")}`,
      found: `"${key}"`,
      ...(guess === null ? {} : { hint: `did you mean "${guess}"?` }),
    };
  });
};

/** A union that fails says little by itself: the branch with the deepest complaint is the one that was meant. */
const meant = (issue: Issue): readonly Issue[] => {
  if (issue.code !== "invalid_union" || issue.errors.length === 0) return [issue];
  const depth = (issues: readonly Issue[]): number => Math.max(...issues.map(({ path }) => path.length), 0);
  const ranked = [...issue.errors].sort((a, b) => depth(b) - depth(a) || a.length - b.length);
  const best = ranked[0] ?? [];
  if (depth(best) === 0 && best.every(({ code }) => code === "invalid_type")) return [issue];
  return best.flatMap((inner) => meant({ ...inner, path: [...issue.path, ...inner.path] }));
};

/** What stands under such a key may be a secret written where it should not be: it is never repeated. */
const SECRET_KEY = /password|passphrase|token|secret|key$/i;

const foundAt = (document: ConfigDocument, path: Path): string => {
  const value = valueAt(document.value, path);
  return typeof value === "string" && path.some((key) => SECRET_KEY.test(String(key)))
    ? "text (not shown)"
    : describeValue(value);
};

const toPath = (path: readonly PropertyKey[]): Path =>
  path.map((key) => (typeof key === "symbol" ? key.toString() : key));

/** `base` is where the value that the schema was applied to stands in the document. */
export const problemsOf = (
  document: ConfigDocument,
  schema: ZodType,
  issues: readonly Issue[],
  base: Path = [],
): Problem[] =>
  issues.flatMap(meant).flatMap((issue) => {
    const at = toPath(issue.path);
    if (issue.code === "unrecognized_keys") return unknownKeyProblems(document, schema, at, base, issue.keys);
    const path = [...base, ...at];
    return {
      file: document.file,
      place: document.placeOf(path),
      path: dotted(path),
      expected: isCustom(issue) ? afterExpected(issue.message) : expectedOf(issue),
      found: foundAt(document, path),
    };
  });
