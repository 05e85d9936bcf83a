// Reads the tree for the house tests: which files there are, what each imports, how long each function is.
import { readdirSync, readFileSync, statSync } from "node:fs";
import { stripTypeScriptTypes } from "node:module";
import { join, relative } from "node:path";
import { parse } from "acorn";

export const CODE_FOLDERS: readonly string[] = [
  "agent",
  "crypto",
  "drivers",
  "firmware-bridge",
  "scripts",
  "test",
];
/** The folders whose code runs on a device. */
export const SHIPPED_FOLDERS: readonly string[] = ["agent", "crypto", "drivers", "firmware-bridge"];

export interface SourceFile {
  /** Path from the root, with forward slashes. */
  readonly path: string;
  readonly text: string;
}

const walk = (folder: string): string[] =>
  readdirSync(folder).flatMap((name) => {
    const path = join(folder, name);
    if (statSync(path).isDirectory()) return name === "node_modules" || name === "data" ? [] : walk(path);
    return /\.m?ts$/.test(name) ? [path] : [];
  });

/** Every TypeScript file of the code folders under `root`. */
export const sourceFiles = (root: string): SourceFile[] =>
  CODE_FOLDERS.filter((folder) => statSync(join(root, folder), { throwIfNoEntry: false })?.isDirectory())
    .flatMap((folder) => walk(join(root, folder)))
    .map((path) => ({ path: relative(root, path), text: readFileSync(path, "utf8") }));

/** Static imports and re-exports stand at the beginning of a line in formatted code; those in the text of a test's string do not. */
const STATIC = /^(?:import|export)\s(?:[^;"']*?\sfrom\s+)?["']([^"'\n]+)["']/gm;

interface Positioned {
  readonly type: string;
  readonly loc: { readonly start: { readonly line: number }; readonly end: { readonly line: number } };
  readonly id?: { readonly name?: string } | null;
  readonly source?: { readonly value?: unknown } | null;
}

const isNode = (value: unknown): value is Positioned =>
  typeof value === "object" && value !== null && typeof (value as { type?: unknown }).type === "string";

const children = (node: Positioned): unknown[] =>
  Object.values(node).flatMap((value: unknown) => (Array.isArray(value) ? (value as unknown[]) : [value]));

/** Every node of a file, parents first. Types are stripped in place, so lines stay where they are. */
const nodesOf = (file: SourceFile): Positioned[] => {
  const found: Positioned[] = [];
  const visit = (node: unknown): void => {
    if (!isNode(node)) return;
    found.push(node);
    for (const child of children(node)) visit(child);
  };
  visit(
    parse(stripTypeScriptTypes(file.text), {
      ecmaVersion: "latest",
      sourceType: "module",
      locations: true,
      allowHashBang: true,
    }),
  );
  return found;
};

/** Every specifier that a file imports, types and dynamic imports included. */
export const importsOf = (file: SourceFile): string[] => {
  const dynamic = nodesOf(file)
    .filter(({ type }) => type === "ImportExpression")
    .map(({ source }) => source?.value)
    .filter((value) => typeof value === "string");
  return [...[...file.text.matchAll(STATIC)].map((match) => match[1] ?? ""), ...dynamic];
};

export interface FunctionSize {
  readonly name: string;
  readonly line: number;
  readonly lines: number;
}

const FUNCTIONS = new Set(["FunctionDeclaration", "FunctionExpression", "ArrowFunctionExpression"]);

/** The length in lines of every function of a file. */
export const functionSizes = (file: SourceFile): FunctionSize[] =>
  nodesOf(file)
    .filter(({ type }) => FUNCTIONS.has(type))
    .map(({ id, loc: { end, start } }) => ({
      name: id?.name ?? "",
      line: start.line,
      lines: end.line - start.line + 1,
    }));
