// How the bundle reaches Node's own modules. An `import` of one reads each of its exports, and a look at node:http's `WebSocket` loads all of undici (fetch and
// what belongs to it: 7 MB that nothing here needs); `process.getBuiltinModule` (Node 22.3) reads what is asked for. Done to esbuild's output, where an import
// is a statement of its own: as a plugin's virtual modules each of them became a file, and Node takes half a millisecond for each file that it loads.
import { type ImportDeclaration, type ImportSpecifier, parse } from "acorn";

/** CommonJS packages in an ES module bundle ask for a `require`; a file without one need not make it. */
const REQUIRE =
  'import{createRequire as __petrelRequire}from"node:module";const require=__petrelRequire(import.meta.url);';

const HASHBANG = /^#!.*\n/;

const nameOf = ({ imported }: ImportSpecifier): string =>
  imported.type === "Identifier" ? imported.name : String(imported.value);

const asCall = ({ source, specifiers }: ImportDeclaration): string => {
  const call = `globalThis.process.getBuiltinModule(${JSON.stringify(source.value)})`;
  const named = specifiers.filter((specifier) => specifier.type === "ImportSpecifier");
  const whole = specifiers.filter((specifier) => specifier.type !== "ImportSpecifier");
  const members = named.map((specifier) => `${nameOf(specifier)}:${specifier.local.name}`);
  const declarations = [
    ...whole.map(({ local }) => `${local.name}=${call}`),
    ...(members.length > 0 ? [`{${members.join(",")}}=${call}`] : []),
  ];
  return declarations.length === 0 ? "" : `const ${declarations.join(",")};`;
};

/** The imports of Node's modules at the top level of a file. */
const builtinImports = (text: string): ImportDeclaration[] =>
  parse(text, { ecmaVersion: "latest", sourceType: "module", allowHashBang: true }).body.filter(
    (node) => node.type === "ImportDeclaration" && String(node.source.value).startsWith("node:"),
  ) as ImportDeclaration[]; // The filter's first condition says so.

/** The text of a bundled file that imports none of Node's modules: calls stand at its head instead, as imports come first. */
export const withoutBuiltinImports = (text: string): string => {
  const imports = builtinImports(text);
  const hashbang = HASHBANG.exec(text)?.[0] ?? "";
  let rest = text;
  for (const { end, start } of [...imports].reverse()) rest = rest.slice(0, start) + rest.slice(end);
  const head = `${/\brequire\b/.test(rest) ? REQUIRE : ""}${imports.map(asCall).join("")}`;
  return `${hashbang}${head}${head === "" ? "" : "\n"}${rest.slice(hashbang.length)}`;
};
