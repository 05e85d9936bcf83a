import { readFile } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import { file } from "#drivers/file.ts";
import { checksum, gpsLog } from "./gps-log.ts";
import { createHarness, until } from "./harness.ts";

const path = new URL("./data/gps-drive.nmea", import.meta.url);

describe("the recorded GPS log", () => {
  it("is what its script makes", async () => {
    expect(await readFile(path, "latin1")).toBe(gpsLog());
  });

  it("has valid checksums, as the published example has", async () => {
    expect(checksum("GPGGA,123519,4807.038,N,01131.000,E,1,08,0.9,545.4,M,46.9,M,,")).toBe("47");
    const lines = (await readFile(path, "latin1")).trimEnd().split("\r\n");
    expect(lines).toHaveLength(1_800);
    for (const line of lines)
      expect(line).toMatch(new RegExp(`^\\$.{1,78}\\*${checksum(line.slice(1, -3))}$`));
  });

  it("becomes readings through the pattern of the README", async () => {
    const harness = createHarness();
    const options = file.schema.parse({
      path: path.pathname,
      follow: false,
      framing: {
        type: "regex",
        pattern: String.raw`^\$GPGGA,[0-9.]+,(?<lat>[0-9.]+),[NS],(?<lon>[0-9.]+),[EW],[1-9],(?<satellites>[0-9]+),[0-9.]+,(?<alt>-?[0-9.]+),M`,
      },
      readings: [
        { name: "gps/alt", from: "alt", unit: "m", type: "number" },
        { name: "gps/satellites", from: "satellites", unit: "count", type: "number" },
      ],
    });
    const driver = file.create("gps", options, harness.context);
    await driver.start();
    await until(() => harness.state() === "stopped", "the end of the log");
    await driver.stop();
    expect(harness.readings()).toHaveLength(1_200);
    expect(harness.counted("unmatched")).toBe(1_200);
    expect(harness.readings()[0]).toMatchObject({ name: "gps/alt", unit: "m" });
  });
});
