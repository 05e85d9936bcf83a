// The verbs that read: decode, export, audit; beside a running agent, and without one.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { COLUMNS_ENCODING, createBuilder } from "#agent/telemetry/index.ts";
import { makeSite, type Site } from "./petrel.ts";

let site: Site;
beforeAll(async () => {
  site = await makeSite();
});

const pack = (): Uint8Array => {
  const builder = createBuilder(COLUMNS_ENCODING);
  builder.add({ name: "a", unit: "V", value: 12.5, timeMs: 1000 });
  builder.add({ name: "a", unit: "V", value: 12.25, timeMs: 2000 });
  return builder.encode(2);
};

describe("decode", () => {
  it("writes the readings of a pack in each format", async () => {
    const file = join(site.folder, "some.pack");
    writeFileSync(file, pack());
    const csv = await site.petrel(["decode", file, "--format", "csv"]);
    expect(csv).toMatchObject({ code: 0, stderr: "" });
    expect(csv.stdout).toBe(
      "device,stream,seq,time_ms,name,unit,value\n,,0,1000,a,V,12.5\n,,1,2000,a,V,12.25\n",
    );
    expect((await site.petrel(["decode", file])).stdout).toMatch(
      /^\{"seq":0,"n":"a","u":"V","t":1000,"v":12\.5\}$/m,
    );
  });

  it("says of a file what is wrong with it", async () => {
    const file = join(site.folder, "broken.pack");
    writeFileSync(file, pack().subarray(0, 20));
    expect(await site.petrel(["decode", file])).toMatchObject({
      code: 1,
      stdout: "",
      stderr: `petrel: ${file}: telemetry: pack: expected zlib data (RFC 1950)\n`,
    });
    expect((await site.petrel(["decode", "/nowhere"])).stderr).toBe(
      "petrel: cannot read /nowhere (ENOENT)\n",
    );
  });
});

/** Lines of CSV without their header. */
const rowsOf = (csv: string): string[] => csv.trimEnd().split("\n").slice(1);

describe("export and audit", () => {
  it("read the own data room through a running agent, and with the stored session after it", async () => {
    const agent = site.start(["run"]);
    await agent.says(/the homeserver is reachable/);
    await site.server.waitUntil(() => site.telemetry().split("\n").length >= 2, 25_000);
    const during = await site.petrel(["export", "--format", "csv"]);
    expect(during).toMatchObject({ code: 0, stderr: "" });
    expect(rowsOf(during.stdout)[0]).toMatch(/^drone-1,[^,]+,0,\d+,/);
    const audit = await site.petrel(["audit", "room"]);
    expect(audit).toMatchObject({ code: 0, stderr: "" });
    expect(audit.stdout).toMatch(/^no gap, no duplicate: \d+ readings of 1 stream$/m);
    agent.signal("SIGTERM");
    await agent.ended;

    const after = await site.petrel(["export", "--format", "csv"]);
    expect(rowsOf(after.stdout).slice(0, 3)).toEqual(rowsOf(during.stdout).slice(0, 3));
    const result: unknown = JSON.parse((await site.petrel(["audit", "room", "--json"])).stdout);
    expect(result).toMatchObject({ unreadable: [], streams: [{ gaps: [], repeatedNumbers: 0 }] });
    await resumes(rowsOf(after.stdout));
  });

  const resumes = async (all: readonly string[]): Promise<void> => {
    const file = join(site.folder, "out.csv");
    const whole = await site.petrel(["export", "--format", "csv", "--output", file]);
    expect(whole.stdout).toBe(`${all.length} readings in ${file}\n`);
    const text = readFileSync(file, "utf8");
    expect(rowsOf(text)).toEqual(all);
    // As after an interruption: a note of how far it came, and a line that was begun behind it.
    const header = text.slice(0, text.indexOf("\n") + 1);
    writeFileSync(file, `${header}half a li`);
    const question = JSON.stringify(["csv", "", "", ""]);
    const note = { question, from: null, bytes: header.length, readings: 0 };
    writeFileSync(`${file}.petrel-export`, JSON.stringify(note));
    await site.petrel(["export", "--format", "csv", "--output", file]);
    expect(readFileSync(file, "utf8")).toBe(text);
    const again = await site.petrel(["export", "--format", "csv", "--output", file]);
    expect(again).toMatchObject({ code: 1 });
    expect(again.stderr).toContain("it is there already");
    const none = await site.petrel(["export", "--since", "2001-01-01", "--until", "2001-01-02"]);
    expect(none).toMatchObject({ code: 0, stdout: "" });
    expect((await site.petrel(["export", "--since", "yesterday"])).stderr).toContain(
      "expected a time such as",
    );
  };
});
