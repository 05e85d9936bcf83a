import { mkdir, mkdtemp, rm, statfs, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import {
  cpuPercent,
  parseCpuTimes,
  parseLoad,
  parseMemory,
  parseMillidegrees,
  parseTraffic,
  parseUptime,
} from "#drivers/system/sources.ts";
import { createSystem, system } from "#drivers/system.ts";
import { testDriver } from "./conformance.ts";
import { createHarness, type Harness, until } from "./harness.ts";

// A Raspberry Pi 4 as the kernel shows it, shortened to what is read.
const PI: Readonly<Record<string, string>> = {
  "proc/stat": "cpu  1000 0 500 8000 400 0 100 0 0 0\ncpu0 1 2 3 4\nintr 5\n",
  "proc/loadavg": "0.42 0.36 0.31 1/213 4711\n",
  "proc/meminfo":
    "MemTotal:        3884368 kB\nMemFree:          200000 kB\nMemAvailable:    2913276 kB\nSwapTotal:        102396 kB\nSwapFree:          92396 kB\n",
  "proc/uptime": "93784.52 371011.33\n",
  "proc/net/dev":
    "Inter-|   Receive                                                |  Transmit\n face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed\n    lo:  1000 1 0 0 0 0 0 0 1000 1 0 0 0 0 0 0\n  eth0: 123456 10 0 0 0 0 0 0 654321 20 0 0 0 0 0 0\n",
  "sys/class/thermal/thermal_zone0/type": "cpu-thermal\n",
  "sys/class/thermal/thermal_zone0/temp": "48312\n",
  "sys/class/thermal/thermal_zone1/type": "acpitz\n",
  "sys/class/thermal/thermal_zone1/temp": "30000\n",
  "sys/class/thermal/thermal_zone2/type": "acpitz\n",
  "sys/class/thermal/thermal_zone2/temp": "31000\n",
  "sys/class/thermal/cooling_device0/type": "gpio-fan\n",
  "sys/class/hwmon/hwmon0/name": "nvme\n",
  "sys/class/hwmon/hwmon0/temp1_input": "51850\n",
  "sys/class/hwmon/hwmon0/temp1_label": "Composite\n",
  "sys/class/hwmon/hwmon0/temp2_input": "-273150\n",
  "sys/class/net/eth0/operstate": "up\n",
};

const addresses = () => ({
  eth0: [
    { address: "fe80::1", internal: false, family: "IPv6" },
    { address: "192.168.7.20", internal: false, family: "IPv4" },
  ],
});

const plant = async (files: Readonly<Record<string, string>>): Promise<string> => {
  const root = await mkdtemp(join(tmpdir(), "petrel-system-"));
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), text);
  }
  return root;
};

const optionsIn = (root: string) =>
  system.schema.parse({
    proc: join(root, "proc"),
    sys: join(root, "sys"),
    disks: ["/", root],
    interval_s: 10,
  });

const sampled = async (
  files: Readonly<Record<string, string>>,
  rounds: number,
  between?: (root: string) => Promise<void>,
): Promise<Harness> => {
  const [root, harness] = [await plant(files), createHarness()];
  const driver = createSystem(optionsIn(root), harness.context, addresses);
  await driver.start();
  for (let round = 0; round < rounds; round += 1) {
    await until(() => harness.timers.pending().length > 0, "the end of a round");
    if (round > 0) continue;
    await between?.(root);
    if (rounds > 1) harness.timers.advance(10_000);
  }
  await driver.stop();
  await rm(root, { recursive: true });
  return harness;
};

const valuesOf = (harness: Harness): Record<string, unknown> =>
  Object.fromEntries(
    harness
      .readings()
      .map(({ name, value, unit }) => [name, unit === undefined ? value : `${String(value)} ${unit}`]),
  );

testDriver("system", {
  vanishes: false,
  writes: false,
  garbles: false,
  open: async () => {
    const root = await plant(PI);
    return {
      create: (context) => createSystem(optionsIn(root), context, addresses),
      produce: (harness) => harness.timers.advance(10_000),
      dispose: () => rm(root, { recursive: true }),
    };
  },
});

describe("the driver system", () => {
  it("reads a board's files into named values with SenML units", async () => {
    const values = valuesOf(await sampled(PI, 1));
    expect(values).toMatchObject({
      "system/load/1": 0.42,
      "system/memory": "25 %",
      "system/memory/available": `${2913276 * 1024} B`,
      "system/swap": `${10000 * 1024} B`,
      "system/uptime": "93784.52 s",
      "system/temperature": "51.85 Cel",
      "system/temperature/cpu-thermal": "48.312 Cel",
      "system/temperature/acpitz": "30 Cel",
      "system/temperature/acpitz_2": "31 Cel",
      "system/temperature/nvme/Composite": "51.85 Cel",
      "system/network/eth0/received": "123456 B",
      "system/network/eth0/sent": "654321 B",
      "system/network/eth0/state": "up",
      "system/network/eth0/address": "192.168.7.20",
    });
    expect(values["system/disk"]).toMatch(/^[0-9.]+ %$/);
    expect(Object.keys(values).filter((name) => name.startsWith("system/disk/"))).toHaveLength(3);
    expect(values).not.toHaveProperty("system/network/lo/received");
    expect(values).not.toHaveProperty("system/cpu");
  });

  it("gives the processor's work between two looks", async () => {
    const harness = await sampled(PI, 2, (root) =>
      writeFile(join(root, "proc/stat"), "cpu  1030 0 520 8040 400 0 110 0 0 0\n"),
    );
    expect(valuesOf(harness)["system/cpu"]).toBe("60 %");
  });

  it("counts a disk as df does", async () => {
    const { blocks, bfree, bavail } = await statfs("/");
    const percent = ((blocks - bfree) / (blocks - bfree + bavail)) * 100;
    const shown = String(valuesOf(await sampled(PI, 1))["system/disk"]);
    expect(Math.abs(Number(shown.replace(" %", "")) - percent)).toBeLessThan(1);
  });

  it("leaves out what the machine does not have", async () => {
    const { "proc/uptime": uptime = "" } = PI;
    const values = valuesOf(await sampled({ "proc/uptime": uptime }, 1));
    expect(Object.keys(values).filter((name) => !name.startsWith("system/disk"))).toEqual(["system/uptime"]);
  });

  it("reads this very machine", async () => {
    const harness = createHarness();
    const driver = system.create("board", system.schema.parse({}), harness.context);
    await driver.start();
    await until(() => harness.emitted.length > 0, "a look");
    await driver.stop();
    expect(Object.keys(valuesOf(harness))).toContain("system/uptime");
    expect(harness.state()).toBe("stopped");
  });
});

describe("the parsers of the kernel's files", () => {
  it("give null, or nothing, for what is no such file", () => {
    for (const parse of [parseCpuTimes, parseLoad, parseMemory, parseUptime, parseMillidegrees])
      for (const text of ["", "nonsense", "cpu \n", "MemTotal: x kB"]) expect(parse(text), text).toBeNull();
    expect(parseTraffic("")).toEqual([]);
    expect(parseTraffic("eth0: x y z\n")).toEqual([]);
  });

  it("take no percentage from a clock that stands still or goes back", () => {
    expect(cpuPercent({ busy: 5, total: 10 }, { busy: 5, total: 10 })).toBeNull();
    expect(cpuPercent({ busy: 5, total: 10 }, { busy: 1, total: 2 })).toBeNull();
  });
});
