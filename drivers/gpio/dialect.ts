// How libgpiod's tools are called, version 1 and version 2. Long options only: `-s`, `-b`, `-p` and `-l` exist in both and mean other things, so a
// call in the wrong dialect may succeed and do something else.
import type { Bias, Drive } from "./options.ts";
import type { Dialect } from "./parse.ts";

/** What the lines of one gpiomon call share: options of the tool hold for all its lines. */
export interface WatchSettings {
  readonly edges: "both" | "rising" | "falling";
  readonly bias: Bias;
  readonly activeLow: boolean;
  /** 0: none. Version 1 cannot do it: see input.ts. */
  readonly debounceMs: number;
}

export interface DriveSettings {
  readonly bias: Bias;
  readonly drive: Drive;
  readonly activeLow: boolean;
}

/** Our name beside the lines in gpioinfo; version 1 always shows the tool's. */
export const CONSUMER = "petrel";

const V1_BIAS: Readonly<Record<Bias, string>> = {
  as_is: "as-is",
  disabled: "disable",
  pull_up: "pull-up",
  pull_down: "pull-down",
};

// Version 2 leaves the bias unchanged when the option is absent, and has no word for it.
const biasOption = (dialect: Dialect, bias: Bias): string[] => {
  if (bias === "as_is") return [];
  return dialect === 1 ? [`--bias=${V1_BIAS[bias]}`] : ["--bias", bias.replace("_", "-")];
};

const activeLow = (wanted: boolean): string[] => (wanted ? ["--active-low"] : []);

const EDGES_V1 = { both: [], rising: ["--rising-edge"], falling: ["--falling-edge"] } as const;

export const gpiomonArguments = (
  dialect: Dialect,
  { edges, bias, activeLow: low, debounceMs }: WatchSettings,
  chip: string,
  offsets: readonly number[],
): string[] => {
  const shared = [...biasOption(dialect, bias), ...activeLow(low)];
  // Into anything but a terminal version 1 prints nothing until it ends, unless told.
  if (dialect === 1) return ["--line-buffered", ...EDGES_V1[edges], ...shared, chip, ...offsets.map(String)];
  const debounce = debounceMs > 0 ? ["--debounce-period", `${debounceMs}ms`] : [];
  return [
    ...["--banner", "--consumer", CONSUMER, "--edges", edges],
    ...[...debounce, ...shared, "--chip", chip],
    ...offsets.map(String),
  ];
};

export const gpiogetArguments = (
  dialect: Dialect,
  { bias, activeLow: low }: Pick<WatchSettings, "bias" | "activeLow">,
  chip: string,
  offsets: readonly number[],
): string[] => {
  const shared = [...biasOption(dialect, bias), ...activeLow(low)];
  if (dialect === 1) return [...shared, chip, ...offsets.map(String)];
  return ["--numeric", ...shared, "--chip", chip, ...offsets.map(String)];
};

/** Without the last argument, `<offset>=<value>`, which the guard adds. Both forms stay until they are ended, and hold the line so long. */
export const gpiosetArguments = (
  dialect: Dialect,
  { bias, drive, activeLow: low }: DriveSettings,
  chip: string,
): string[] => {
  const kind = drive.replace("_", "-");
  const shared = [...biasOption(dialect, bias), ...activeLow(low)];
  if (dialect === 1) return ["--mode=signal", `--drive=${kind}`, ...shared, chip];
  return ["--consumer", CONSUMER, "--drive", kind, ...shared, "--chip", chip];
};
