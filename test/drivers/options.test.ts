// The options of the drivers of bytes, system and simulator as somebody meets them who writes a configuration for the first time.
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import type { ZodType } from "zod";
import * as z from "zod";
import { file } from "#drivers/file.ts";
import { serial } from "#drivers/serial.ts";
import { simulator } from "#drivers/simulator.ts";
import { system } from "#drivers/system.ts";
import { tcp } from "#drivers/tcp.ts";
import { udp } from "#drivers/udp.ts";

const KINDS: Readonly<Record<string, ZodType>> = Object.fromEntries(
  [serial, tcp, udp, file, system, simulator].map(({ kind, schema }) => [kind, schema as ZodType]),
);

interface Node {
  readonly description?: string;
  readonly properties?: Readonly<Record<string, Node>>;
  readonly oneOf?: readonly Node[];
  readonly items?: Node;
}

/** The paths of all options, with or without a description. */
const optionsOf = (node: Node, path: string): [string, string | undefined][] => [
  ...Object.entries(node.properties ?? {}).flatMap(([key, child]): [string, string | undefined][] => [
    [`${path}${key}`, child.description],
    ...optionsOf(child, `${path}${key}.`),
  ]),
  ...(node.oneOf ?? []).flatMap((child) => optionsOf(child, path)),
  ...(node.items === undefined ? [] : optionsOf(node.items, path)),
];

const issueOf = (kind: string, yaml: string): string => {
  const issue = KINDS[kind]?.safeParse(parse(yaml)).error?.issues[0];
  return issue === undefined ? "" : `${issue.path.join(".")}: ${issue.message}`;
};

describe("the options of a driver", () => {
  it.each(Object.entries(KINDS))("are each documented for editors: %s", (_kind, schema) => {
    const options = optionsOf(z.toJSONSchema(schema, { io: "input", unrepresentable: "any" }) as Node, "");
    expect(options.length).toBeGreaterThan(3);
    expect(options.filter(([, description]) => (description ?? "").length < 5)).toEqual([]);
  });

  it("need no more than the place of the device", () => {
    for (const [kind, yaml] of [
      ["serial", "path: /dev/ttyUSB0"],
      ["tcp", "port: 4001"],
      ["udp", "port: 9"],
      ["file", "path: /tmp/x"],
      ["system", "{}"],
      ["simulator", "{}"],
    ] as const)
      expect(issueOf(kind, yaml)).toBe("");
    expect(serial.schema.parse({ path: "/dev/ttyUSB0" })).toMatchObject({
      baud: 115_200,
      hupcl: false,
      lock: true,
      framing: { type: "lines" },
    });
  });

  it("are refused with what was expected", () => {
    expect(issueOf("serial", "{ path: /dev/x, bauds: 9600 }")).toMatch(/Unrecognized key: "bauds"/);
    expect(issueOf("serial", "{ path: /dev/x, framing: { type: nmea } }")).toBe(
      "framing.type: expected one of lines, json-lines, regex",
    );
    expect(issueOf("serial", "{ path: /dev/x, framing: { type: regex } }")).toMatch(/^framing.pattern: /);
    expect(issueOf("serial", "{ path: /dev/x, framing: { type: lines, pattern: a } }")).toMatch(
      /^framing: Unrecognized key: "pattern"/,
    );
    expect(issueOf("serial", "{ path: /dev/x, readings: [{ name: gps lat }] }")).toMatch(
      /^readings.0.name: expected a name/,
    );
    expect(issueOf("tcp", "port: 70000")).toMatch(/^port: /);
    expect(issueOf("simulator", "prefix: /x")).toMatch(/^prefix: expected the beginning/);
  });

  it("listen to the own machine only, unless told otherwise", () => {
    expect(tcp.schema.parse({ port: 4001, listen: true }).host).toBe("127.0.0.1");
    expect(udp.schema.parse({ port: 4001 }).host).toBe("127.0.0.1");
  });
});
