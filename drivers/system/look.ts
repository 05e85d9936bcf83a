// One look at the machine: reads the files that sources.ts understands and makes readings of them. What a machine does not have is left out.
import { readdir, readFile, statfs } from "node:fs/promises";
import { join } from "node:path";
import type { Reading } from "../driver.ts";
import { nameFrom } from "../mapping.ts";
import {
  type CpuTimes,
  cpuPercent,
  parseCpuTimes,
  parseLoad,
  parseMemory,
  parseMillidegrees,
  parseTraffic,
  parseUptime,
} from "./sources.ts";

/** The addresses of an interface, as `os.networkInterfaces` gives them. */
export type Addresses = () => Readonly<
  Record<
    string,
    readonly { readonly address: string; readonly internal: boolean; readonly family: string }[] | undefined
  >
>;

export interface Places {
  readonly proc: string;
  readonly sys: string;
  readonly disks: readonly string[];
  readonly addresses: Addresses;
}

/** A reading without its time and prefix. */
type Finding = Pick<Reading, "name" | "value" | "unit">;

const found = (name: string, value: Reading["value"], unit?: string): Finding =>
  unit === undefined ? { name, value } : { name, value, unit };

const round = (value: number, digits: number): number => Number(value.toFixed(digits));

const text = (path: string): Promise<string> => readFile(path, "utf8").catch(() => "");

const list = (path: string): Promise<string[]> =>
  readdir(path).then(
    (names) => names.sort(),
    () => [],
  );

const load = async (places: Places): Promise<Finding[]> => {
  const averages = parseLoad(await text(join(places.proc, "loadavg")));
  if (averages === null) return [];
  return averages.map((value, index) => found(`load/${[1, 5, 15][index] ?? 0}`, value));
};

const memory = async (places: Places): Promise<Finding[]> => {
  const state = parseMemory(await text(join(places.proc, "meminfo")));
  if (state === null) return [];
  const used = (1 - state.availableBytes / state.totalBytes) * 100;
  return [
    found("memory", round(used, 1), "%"),
    found("memory/available", state.availableBytes, "B"),
    found("swap", state.swapUsedBytes, "B"),
  ];
};

const uptime = async (places: Places): Promise<Finding[]> => {
  const seconds = parseUptime(await text(join(places.proc, "uptime")));
  return seconds === null ? [] : [found("uptime", seconds, "s")];
};

// The root is `disk`, others carry their path: `disk/var/lib`.
const disk = async (path: string): Promise<Finding[]> => {
  const state = await statfs(path).catch(() => null);
  if (state === null || state.blocks === 0) return [];
  const name = path === "/" ? "disk" : `disk/${nameFrom(path.replace(/^\/+/, ""))}`;
  const used = state.blocks - state.bfree;
  // As df(1) counts: what is reserved for root is neither used nor available.
  const percent = (used / Math.max(1, used + state.bavail)) * 100;
  return [found(name, round(percent, 1), "%"), found(`${name}/free`, state.bavail * state.bsize, "B")];
};

const zoneTemperature = async (folder: string): Promise<Finding[]> => {
  const value = parseMillidegrees(await text(join(folder, "temp")));
  const type = (await text(join(folder, "type"))).trim() || "zone";
  return value === null ? [] : [found(`temperature/${nameFrom(type)}`, value, "Cel")];
};

const thermalZones = async (places: Places): Promise<Finding[]> => {
  const root = join(places.sys, "class/thermal");
  const zones = (await list(root)).filter((name) => name.startsWith("thermal_zone"));
  return (await Promise.all(zones.map((zone) => zoneTemperature(join(root, zone))))).flat();
};

const chipTemperatures = async (folder: string): Promise<Finding[]> => {
  const chip = (await text(join(folder, "name"))).trim();
  const inputs = (await list(folder)).filter((name) => /^temp\d+_input$/.test(name));
  const findings = inputs.map(async (input): Promise<Finding[]> => {
    const value = parseMillidegrees(await text(join(folder, input)));
    const sensor = input.replace("_input", "");
    const label = (await text(join(folder, `${sensor}_label`))).trim() || sensor;
    return value === null ? [] : [found(`temperature/${nameFrom(chip)}/${nameFrom(label)}`, value, "Cel")];
  });
  return (await Promise.all(findings)).flat();
};

const hardwareMonitors = async (places: Places): Promise<Finding[]> => {
  const root = join(places.sys, "class/hwmon");
  return (await Promise.all((await list(root)).map((chip) => chipTemperatures(join(root, chip))))).flat();
};

// Two sensors of one name would be one reading with two values: the later ones are numbered.
const numbered = (findings: readonly Finding[]): Finding[] => {
  const seen = new Map<string, number>();
  return findings.map((finding) => {
    const count = (seen.get(finding.name) ?? 0) + 1;
    seen.set(finding.name, count);
    return count === 1 ? finding : { ...finding, name: `${finding.name}_${count}` };
  });
};

/** All sensors, and the hottest of them as `temperature`: the one number that a status card shows. */
const temperatures = async (places: Places): Promise<Finding[]> => {
  const sensors = [...(await thermalZones(places)), ...(await hardwareMonitors(places))];
  const values = sensors.map(({ value }) => Number(value));
  return sensors.length === 0 ? [] : [found("temperature", Math.max(...values), "Cel"), ...numbered(sensors)];
};

// In some sandboxes the system refuses to list interfaces; the counters are still there.
const knownAddresses = (places: Places): ReturnType<Addresses> => {
  try {
    return places.addresses();
  } catch {
    return {};
  }
};

const network = async (places: Places): Promise<Finding[]> => {
  const addresses = knownAddresses(places);
  const traffic = parseTraffic(await text(join(places.proc, "net/dev")));
  const findings = traffic.map(
    async ({ interface: device, receivedBytes, sentBytes }): Promise<Finding[]> => {
      const name = `network/${nameFrom(device)}`;
      const state = (await text(join(places.sys, "class/net", device, "operstate"))).trim();
      const own = addresses[device]?.filter(
        ({ internal, address }) => !internal && !address.startsWith("fe80:"),
      );
      const address = own?.find(({ family }) => family === "IPv4")?.address ?? own?.[0]?.address;
      return [
        found(`${name}/received`, receivedBytes, "B"),
        found(`${name}/sent`, sentBytes, "B"),
        ...(state === "" ? [] : [found(`${name}/state`, state)]),
        ...(address === undefined ? [] : [found(`${name}/address`, address)]),
      ];
    },
  );
  return (await Promise.all(findings)).flat();
};

export interface Look {
  readonly findings: readonly Finding[];
  readonly cpu: CpuTimes | null;
}

/** Looks once. `before` is the processor's state at the last look: usage is a difference. */
export const look = async (places: Places, before: CpuTimes | null): Promise<Look> => {
  const cpu = parseCpuTimes(await text(join(places.proc, "stat")));
  const usage = cpu === null || before === null ? null : cpuPercent(before, cpu);
  const groups = await Promise.all([
    load(places),
    memory(places),
    uptime(places),
    ...places.disks.map(disk),
    temperatures(places),
    network(places),
  ]);
  return {
    cpu,
    findings: [...(usage === null ? [] : [found("cpu", round(usage, 1), "%")]), ...groups.flat()],
  };
};
