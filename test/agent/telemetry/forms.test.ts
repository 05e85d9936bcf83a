import { readFileSync } from "node:fs";
import { Ajv2020 } from "ajv/dist/2020.js";
import { describe, expect, it } from "vitest";
import type { JsonObject } from "#agent/matrix/types.ts";
import {
  type BatchHead,
  COLUMNS_ENCODING,
  encodeFile,
  encodePack,
  fitPack,
  parseTelemetry,
  readTelemetry,
  SENML_ENCODING,
  type TelemetryError,
} from "#agent/telemetry/index.ts";

const schema = JSON.parse(readFileSync("docs/schemas/telemetry.v1.json", "utf8")) as object;
const conforms = new Ajv2020({ logger: false }).compile(schema);

const head: BatchHead = {
  device: "d",
  stream: "s",
  epoch: { boot: "b", bootSeq: 2, clock: "gps" },
  seq: 7,
  lost: [],
  offsetMs: -250,
  historical: true,
};
const readings = [
  { name: "a", value: 1.5, unit: "V", timeMs: 20, monoMs: 9.6 },
  { name: "b", value: "on", timeMs: 10, monoMs: 10 },
];
const fitted = (encoding: string): NonNullable<ReturnType<typeof fitPack>> => {
  const found = fitPack(readings, { encoding, bytesMax: 1000 });
  if (found === null) throw new Error("two readings fit into 1000 bytes");
  return found;
};

const FILE = { url: "mxc://example.org/abc", key: {}, iv: "", hashes: {}, v: "v2" };
const never = (): Promise<Uint8Array> => Promise.reject(new Error("nothing was to be fetched"));

const received = expect.objectContaining({
  seq: 7,
  count: 2,
  clock: "gps",
  monoMs: 10,
  offsetMs: -250,
  historical: true,
  readings: [
    { seq: 7, name: "a", value: 1.5, unit: "V", timeMs: 20 },
    { seq: 8, name: "b", value: "on", unit: null, timeMs: 10 },
  ],
}) as object;

describe.each([COLUMNS_ENCODING, SENML_ENCODING])("a pack of %s", (encoding) => {
  const { pack, span } = fitted(encoding);

  it("is read from the event, which the published schema allows", async () => {
    const content = encodePack(head, span, pack);
    expect(conforms(content), JSON.stringify(conforms.errors)).toBe(true);
    expect(content).toMatchObject({ from: 10, until: 20 });
    expect(parseTelemetry(content)).toEqual(received);
    expect(await readTelemetry(content, never)).toEqual(received);
  });

  it.each<[string, JsonObject | string]>([
    ["encrypted", FILE],
    ["in clear", FILE.url],
  ])("is read from an attachment, %s", async (_what, where) => {
    const content = encodeFile(head, span, pack, where);
    expect(conforms(content), JSON.stringify(conforms.errors)).toBe(true);
    const read = await readTelemetry(content, (file) => {
      expect(file).toEqual({ url: FILE.url, encrypted: typeof where === "string" ? null : FILE });
      return Promise.resolve(pack.bytes);
    });
    expect(read).toEqual(received);
    expect(() => parseTelemetry(content)).toThrow(
      expect.objectContaining({ code: "FILE" }) as TelemetryError,
    );
  });
});

describe("what is refused", () => {
  const { pack, span } = fitted(COLUMNS_ENCODING);
  const good = encodePack(head, span, pack);

  it.each<[string, JsonObject, string]>([
    ["data that is no base64", { data: "!" }, "MALFORMED"],
    ["no data", { data: 1 }, "MALFORMED"],
    ["a count that the pack does not have", { count: 3 }, "MALFORMED"],
    ["a count that is lost altogether", { lost: [[7, 2, "full"]] }, "MALFORMED"],
    ["a count beyond all bounds", { count: 2 ** 40 }, "LIMIT"],
    ["losses without end", { lost: Array.from({ length: 10_001 }, () => [0, 0, ""]) }, "LIMIT"],
    ["an encoding of the future", { encoding: "columns.v9+zlib" }, "ENCODING"],
    ["an attachment at an address of the web", { url: "https://example.org/" }, "MALFORMED"],
  ])("%s", (_what, change, code) => {
    expect(() => parseTelemetry({ ...good, ...change })).toThrow(
      expect.objectContaining({ code }) as TelemetryError,
    );
  });

  it("an attachment that cannot be fetched, with the reason; and none is fetched that could not be read", async () => {
    const content = encodeFile(head, span, pack, FILE);
    await expect(readTelemetry(content, () => Promise.reject(new Error("404")))).rejects.toMatchObject({
      code: "FILE",
      message: expect.stringContaining("404") as string,
    });
    await expect(readTelemetry({ ...content, encoding: "x" }, never)).rejects.toMatchObject({
      code: "ENCODING",
    });
  });
});
