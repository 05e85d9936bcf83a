import { Ajv2020 } from "ajv/dist/2020.js";
import { expect, it } from "vitest";
import { parse } from "yaml";
import { buildSchema, committed, rendered } from "#scripts/schema.ts";

it("has committed what comes out (else run: node scripts/schema.ts)", async () => {
  expect(committed()).toEqual(await rendered());
});

const accepts = async (text: string): Promise<boolean> => {
  const validate = new Ajv2020({ strict: false, logger: false }).compile(await buildSchema());
  return validate(parse(text)) === true;
};

const MINIMAL = "version: 1\ndevice: { name: d }\nhomeserver: { server: example.org, user: d }\n";

it("accepts in an editor what the agent accepts", async () => {
  expect(await accepts(MINIMAL)).toBe(true);
  expect(await accepts(`${MINIMAL}drivers: { s: { type: system } }\n`)).toBe(true);
});

it("refuses in an editor what the agent refuses", async () => {
  expect(await accepts(MINIMAL.replace("version: 1", "version: 2"))).toBe(false);
  expect(await accepts(`${MINIMAL}chanels: {}\n`)).toBe(false);
  expect(await accepts(`${MINIMAL}drivers: { s: { type: nonsense } }\n`)).toBe(false);
});
