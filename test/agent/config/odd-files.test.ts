// Files that are hardly configurations: each is one ConfigError with a place, never another exception, and never a secret repeated.
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseConfig } from "#agent/config/config.ts";
import { ConfigError } from "#agent/config/document.ts";
import { driverKinds } from "#agent/ingest/registry.ts";

const HEAD = "version: 1\ndevice: { name: d }\nhomeserver: { server: example.org, user: d }\n";

const complaint = async (text: string): Promise<string> => {
  try {
    await parseConfig("p.yaml", text, driverKinds);
    return "right";
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.message;
  }
};

const laughs = (): string => {
  const names = ["a", "b", "c", "d", "e", "f"];
  const nine = (word: string): string => Array.from({ length: 9 }, () => word).join(",");
  return names
    .map((name, at) => `${name}: &${name} [${nine(at === 0 ? "x" : `*${names[at - 1]}`)}]`)
    .join("\n");
};

describe("an odd file", () => {
  it.each([
    [
      "of aliases upon aliases",
      laughs(),
      /^p\.yaml:1:1: expected aliases that can be followed, found Excessive alias count/,
    ],
    [
      "with an alias of nothing",
      `${HEAD}log: *x\n`,
      /^p\.yaml:1:1: expected aliases that can be followed, found Unresolved alias/,
    ],
    [
      "with a key twice",
      `${HEAD}log: { level: info, level: debug }\n`,
      /^p\.yaml:4:21: expected YAML 1\.2, found Map keys must be unique$/,
    ],
    [
      "of two documents",
      `${HEAD}---\nversion: 1\n`,
      /^p\.yaml:4:1: expected YAML 1\.2, found Source contains multiple documents$/,
    ],
    ["with tabs", `${HEAD}\tx: 1\n`, /^p\.yaml:4:1: expected YAML 1\.2, found Tabs are not allowed/],
    [
      "with a driver named __proto__",
      `${HEAD}drivers: { __proto__: { type: simulator } }\n`,
      /^p\.yaml:4:12: expected another name, found "__proto__"$/,
    ],
    ["that is a list", "- a\n", /^p\.yaml:1:1: expected a mapping, found a list$/],
    [
      "with a driver of nothing",
      `${HEAD}drivers: { x: }\n`,
      /^p\.yaml:4:15: drivers\.x: expected a mapping, found null$/,
    ],
    [
      "with an empty prefix",
      `${HEAD}commands: { prefix: "" }\n`,
      /^p\.yaml:4:21: commands\.prefix: expected text like \/.*\/, found ""$/,
    ],
    [
      "with a server that is none",
      HEAD.replace("example.org", "not a server"),
      /homeserver\.server: expected a server name such as "example\.org", found "not a server"$/,
    ],
  ])("%s is refused with its place", async (_what, text, said) => {
    expect(await complaint(text)).toMatch(said);
  });

  it.each([
    ["with empty sections", `${HEAD}drivers:\nlog:\n# all of it commented out\n`],
    ["with a byte order mark", `﻿${HEAD}`],
    ["with line breaks of another system", HEAD.replaceAll("\n", "\r\n")],
  ])("%s is right", async (_what, text) => {
    expect(await complaint(text)).toBe("right");
  });

  it.each([
    "password: hunter22",
    "password: [hunter22]",
    "token: { file: { deep: hunter22 } }",
    "passwort: hunter22",
  ])("never has %j repeated", async (line) => {
    const said = await complaint(HEAD.replace("user: d", `user: d, ${line}`));
    expect(said).not.toBe("right");
    expect(said).not.toContain("hunter22");
  });

  it("of any text is right or a ConfigError", async () => {
    const yamlish = fc.stringMatching(/^[a-z:{}[\],&*!'"#|>\n -]{0,60}$/);
    await fc.assert(
      fc.asyncProperty(fc.oneof(fc.string({ maxLength: 80 }), yamlish), async (tail) => {
        expect(await complaint(HEAD + tail)).toMatch(/^right$|^p\.yaml:\d+:\d+: /);
      }),
      { numRuns: 300 },
    );
  });
});
