// Reads what libgpiod's command line tools print: gpiodetect, gpioinfo and gpiomon, version 1 (1.4 to 1.6) and version 2.
// The two share their names and many letters of their options, with other meanings: the version is asked for first, always.
// Recorded output of both is in test/drivers/data.

export type Dialect = 1 | 2;

/** `gpiodetect (libgpiod) v1.6.3` -> 1; null for anything else. */
export const parseVersion = (text: string): Dialect | null => {
  const major = /\(libgpiod\) v?(\d+)\./.exec(text)?.[1];
  return major === "1" || major === "2" ? (Number(major) === 1 ? 1 : 2) : null;
};

export interface Chip {
  readonly name: string;
  readonly label: string;
}

/** `gpiochip0 [edge-sim] (8 lines)`, one chip a line, the same in both versions. */
export const parseGpiodetect = (text: string): Chip[] =>
  [...text.matchAll(/^(\S+) \[(.*)\] \(\d+ lines?\)$/gm)].map(([, name = "", label = ""]) => ({
    name,
    label,
  }));

export interface LineInfo {
  readonly chip: string;
  readonly offset: number;
  readonly name: string | null;
  readonly output: boolean;
  /** Who holds the line: null when nobody does, "" when it is held by somebody without a name (the kernel). */
  readonly consumer: string | null;
}

const HEADING = /^(\S+) - \d+ lines?:$/;
//     line   1:       "rain"    "gpiomon"   input  active-high [used]
const V1_LINE =
  /^\s*line\s+(\d+):\s+(?:"(.*?)"|unnamed)\s+(?:"(.*)"|(\S+))\s+(input|output)\s+active-\w+(.*)$/;
//     line   1:	"rain"          	input edges=both consumer="gpiomon"
const V2_LINE = /^\s*line\s+(\d+):\s+(?:"(.*?)"|unnamed)\s+(input|output)(.*)$/;

const v1Line = (chip: string, text: string): LineInfo | null => {
  const match = V1_LINE.exec(text);
  if (match === null) return null;
  const [, offset, name, consumer, bare, direction, flags = ""] = match;
  const used = flags.includes("used") || consumer !== undefined;
  return {
    chip,
    offset: Number(offset),
    name: name ?? null,
    output: direction === "output",
    consumer: used ? (consumer ?? (bare === "unused" ? "" : (bare ?? ""))) : null,
  };
};

const v2Line = (chip: string, text: string): LineInfo | null => {
  const match = V2_LINE.exec(text);
  if (match === null) return null;
  const [, offset, name, direction, rest = ""] = match;
  const consumer = /consumer=(?:"(.*)"|(\S+))/.exec(rest);
  const held = consumer !== null ? (consumer[1] ?? consumer[2] ?? "") : / used\b/.test(rest) ? "" : null;
  return { chip, offset: Number(offset), name: name ?? null, output: direction === "output", consumer: held };
};

/** The whole list of `gpioinfo` without arguments. Lines that are understood by neither pattern are left out. */
export const parseGpioinfo = (dialect: Dialect, text: string): LineInfo[] => {
  const lines: LineInfo[] = [];
  let chip = "";
  for (const row of text.split("\n")) {
    const heading = HEADING.exec(row);
    if (heading !== null) chip = heading[1] ?? "";
    const line = dialect === 1 ? v1Line(chip, row) : v2Line(chip, row);
    if (line !== null) lines.push(line);
  }
  return lines;
};

export interface Edge {
  readonly offset: number;
  readonly level: 0 | 1;
  /** The kernel's stamp, in milliseconds (CLOCK_MONOTONIC since Linux 5.7). */
  readonly stampMs: number;
}

// event:  RISING EDGE offset: 1 timestamp: [       5.898749214]
const V1_EVENT = /^event:\s+(RISING|FALLING) EDGE offset: (\d+) timestamp: \[\s*(\d+)\.(\d{9})\]$/;
// 11.256329945<tab>rising<tab>gpiochip0 1 "rain"        (what gpiomon prints when it was given a chip and offsets)
const V2_EVENT = /^(\d+)\.(\d{9})\t(rising|falling)\t\S+ (\d+)(?:\s.*)?$/;

const stamp = (seconds = "0", nanoseconds = "0"): number =>
  Number(seconds) * 1000 + Number(nanoseconds) / 1e6;

/** One line of gpiomon's own format, or null when it is none (the banner, a warning). */
export const parseEdge = (dialect: Dialect, text: string): Edge | null => {
  if (dialect === 1) {
    const match = V1_EVENT.exec(text);
    if (match === null) return null;
    const [, kind, offset, seconds, nanoseconds] = match;
    return { offset: Number(offset), level: kind === "RISING" ? 1 : 0, stampMs: stamp(seconds, nanoseconds) };
  }
  const match = V2_EVENT.exec(text);
  if (match === null) return null;
  const [, seconds, nanoseconds, kind, offset] = match;
  return { offset: Number(offset), level: kind === "rising" ? 1 : 0, stampMs: stamp(seconds, nanoseconds) };
};

/** The banner of gpiomon version 2, printed once all lines are watched. */
export const isBanner = (text: string): boolean => text.startsWith("Monitoring line");

/** `gpioget --numeric` (2) and `gpioget` (1): `0 1`, one digit per line asked for; null when it is something else. */
export const parseLevels = (text: string): (0 | 1)[] | null => {
  const words = text.trim().split(/\s+/);
  return words.every((word) => word === "0" || word === "1")
    ? words.map((word) => (word === "1" ? 1 : 0))
    : null;
};
