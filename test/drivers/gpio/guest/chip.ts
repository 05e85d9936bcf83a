// The other side of the guest's chip: gpio-sim lets a test set what is outside of a line, and shows what a line drives (kernel documentation,
// admin-guide/gpio/gpio-sim.rst). Runs in the guest of scripts/gpio-vm.ts only.
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const DEVICE = "/sys/devices/platform/gpio-sim.0";
const LIVE = "/sys/kernel/config/gpio-sim/fake/live";

export const RAIN = 1;
export const BUTTON = 2;
export const FLOW = 3;
export const DOOR = 4;
export const PUMP = 6;

let chipFolder = "";

const lineFolder = (line: number): string => {
  if (chipFolder === "") {
    const chip = readdirSync(DEVICE).find((name) => name.startsWith("gpiochip"));
    chipFolder = join(DEVICE, chip ?? "");
  }
  return join(chipFolder, `sim_gpio${line}`);
};

/** An edge, if the line was not pulled there already. */
export const pull = (line: number, level: 0 | 1): void =>
  writeFileSync(join(lineFolder(line), "pull"), level === 1 ? "pull-up" : "pull-down");

/** The voltage on the line: what is driven, or else the pull. */
export const voltage = (line: number): 0 | 1 =>
  readFileSync(join(lineFolder(line), "value"), "utf8").trim() === "1" ? 1 : 0;

/** Unplugs the chip, or plugs it in again. */
export const plug = (there: boolean): void => {
  chipFolder = "";
  writeFileSync(LIVE, there ? "1" : "0");
};

/** CLOCK_MONOTONIC in milliseconds: the clock of the kernel's stamps. */
export const monoMs = (): number => Number(process.hrtime.bigint()) / 1e6;
