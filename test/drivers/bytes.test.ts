// What the joint of source and framing does whatever the two are; shown with a file that is read once.
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { file } from "#drivers/file.ts";
import { createHarness, type Harness, until } from "./harness.ts";

const readThrough = async (content: string, more: object = {}): Promise<Harness> => {
  const [folder, harness] = [await mkdtemp(join(tmpdir(), "petrel-bytes-")), createHarness()];
  await writeFile(join(folder, "input"), content, "latin1");
  const options = file.schema.parse({ path: join(folder, "input"), follow: false, ...more });
  const driver = file.create("dev", options, harness.context);
  await driver.start();
  await until(() => harness.state() === "stopped", "the end");
  await driver.stop();
  await rm(folder, { recursive: true });
  return harness;
};

describe("a driver of bytes", () => {
  it("counts noise without an end as one incident and all of its bytes, and reads on", async () => {
    const harness = await readThrough(`${"x".repeat(300_000)}\n42\n`);
    expect(harness.counted("overlong")).toBe(1);
    expect(harness.counted("discarded_bytes")).toBe(300_001);
    expect(harness.readings().map(({ value }) => value)).toEqual([42]);
  });

  it("does not mention empty lines", async () => {
    const harness = await readThrough("\n\r\n1\n\n");
    expect([...harness.counts]).toEqual([]);
    expect(harness.logs.filter(({ level }) => level === "warn")).toEqual([]);
  });

  it("counts what the mapping cannot use, each by its kind", async () => {
    const harness = await readThrough('{"t":"warm"}\n{"other":1}\n{"t":1}\n', {
      framing: { type: "json-lines" },
      readings: [{ name: "t", from: "t", type: "number" }],
    });
    expect(Object.fromEntries(harness.counts)).toEqual({ malformed: 1, unmatched: 1 });
    expect(harness.logs.filter(({ level }) => level === "warn").map(({ message }) => message)).toEqual([
      "t: expected a number, found warm",
    ]);
  });

  it("emits all readings of one chunk together, with one time", async () => {
    const harness = await readThrough("1\n2\n3\n");
    expect(harness.emitted.map(({ readings }) => readings.length)).toEqual([3]);
    expect(new Set(harness.readings().map(({ monoMs }) => monoMs)).size).toBe(1);
  });

  it("never logs a message as a whole", async () => {
    const secret = "s3cret".repeat(50);
    const harness = await readThrough(`{"token":"${secret}"\n`, { framing: { type: "json-lines" } });
    expect(harness.counted("malformed")).toBe(1);
    expect(JSON.stringify(harness.logs)).not.toContain(secret);
  });
});
