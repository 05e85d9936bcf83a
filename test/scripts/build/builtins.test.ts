// How the bundle reaches Node's own modules: scripts/build/builtins.ts.
import { expect, it } from "vitest";
import { withoutBuiltinImports } from "#scripts/build/builtins.ts";

const builtin = (name: string): string => `globalThis.process.getBuiltinModule("node:${name}")`;

it("reads of a module of Node's only what is asked for", () => {
  expect(withoutBuiltinImports('import{request as a,Agent}from"node:http";a(Agent);')).toBe(
    `const {request:a,Agent:Agent}=${builtin("http")};\na(Agent);`,
  );
});

it("takes a module as a whole where it is asked for as a whole", () => {
  expect(withoutBuiltinImports('import a,{b}from"node:fs";import*as c from"node:os";')).toBe(
    `const a=${builtin("fs")},{b:b}=${builtin("fs")};const c=${builtin("os")};\n`,
  );
});

it("puts them before all else, as imports come first", () => {
  const text = '#!/usr/bin/env node\nimport{x}from"./chunk.mjs";x(y);import{y}from"node:net";';
  expect(withoutBuiltinImports(text)).toBe(
    `#!/usr/bin/env node\nconst {y:y}=${builtin("net")};\nimport{x}from"./chunk.mjs";x(y);`,
  );
});

it("leaves alone what only looks like an import", () => {
  const text = 'const text=`import{a}from"node:http";`;import("node:https");';
  expect(withoutBuiltinImports(text)).toBe(text);
});

it("makes a require for the file that asks for one", () => {
  const made = withoutBuiltinImports('import{a}from"node:fs";const b=require("node:net");');
  expect(made).toMatch(/^import\{createRequire as __petrelRequire\}from"node:module";const require=/);
  expect(made).toContain('const b=require("node:net");');
});
