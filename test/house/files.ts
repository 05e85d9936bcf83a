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

const IMPORT = /(?:\bfrom\s*|\bimport\s*\(\s*|\bimport\s+|\brequire\s*\(\s*)(["'])([^"'\n]+)\1/g;

/** Every specifier that a file imports, types and dynamic imports included. Comment lines are left out. */
export const importsOf = (file: SourceFile): string[] => {
  const code = file.text
    .split("\n")
    .filter((line) => !/^\s*(\/\/|\*|\/\*)/.test(line))
    .join("\n");
  return [...code.matchAll(IMPORT)].map((match) => match[2] ?? "");
};

export interface FunctionSize {
  readonly name: string;
  readonly line: number;
  readonly lines: number;
}

interface Positioned {
  readonly type: string;
  readonly loc: { readonly start: { readonly line: number }; readonly end: { readonly line: number } };
  readonly id?: { readonly name?: string } | null;
}

const isNode = (value: unknown): value is Positioned =>
  typeof value === "object" && value !== null && typeof (value as { type?: unknown }).type === "string";

const children = (node: Positioned): unknown[] =>
  Object.values(node).flatMap((value: unknown) => (Array.isArray(value) ? (value as unknown[]) : [value]));

const FUNCTIONS = new Set(["FunctionDeclaration", "FunctionExpression", "ArrowFunctionExpression"]);

/** The length in lines of every function of a file. Types are stripped in place, so lines stay where they are. */
export const functionSizes = (file: SourceFile): FunctionSize[] => {
  const sizes: FunctionSize[] = [];
  const visit = (node: unknown): void => {
    if (!isNode(node)) return;
    if (FUNCTIONS.has(node.type)) {
      const { start, end } = node.loc;
      sizes.push({ name: node.id?.name ?? "", line: start.line, lines: end.line - start.line + 1 });
    }
    children(node).forEach(visit);
  };
  visit(
    parse(stripTypeScriptTypes(file.text), { ecmaVersion: "latest", sourceType: "module", locations: true }),
  );
  return sizes;
};
