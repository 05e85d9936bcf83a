// Finds the lines that the configuration names: by name on any chip, by name on one chip, or by offset on a chip that is given by name or label.
// Offsets and chip numbers move between boards and kernels (a Pi 5 differs from a Pi 4); names do not.
import { DriverError } from "../driver.ts";
import type { Chip, LineInfo } from "./parse.ts";

export interface LineSpec {
  readonly name: string;
  readonly line: string | number;
  readonly chip?: string | undefined;
}

export interface Place {
  readonly chip: string;
  readonly offset: number;
}

export const placeKey = ({ chip, offset }: Place): string => `${chip}:${offset}`;

const wanted = ({ line, chip }: LineSpec): string =>
  typeof line === "number"
    ? `line ${line} of chip ${chip ?? "?"}`
    : `a line named "${line}"${chip === undefined ? "" : ` on chip ${chip}`}`;

/** Throws a `DriverError` that says what was looked for and what there is. */
export const findLine = (spec: LineSpec, chips: readonly Chip[], lines: readonly LineInfo[]): Place => {
  const chosen = chips.filter(
    ({ name, label }) => spec.chip === undefined || spec.chip === name || spec.chip === label,
  );
  const where = chips.map(({ name, label }) => `${name} [${label}]`).join(", ") || "none";
  if (chosen.length === 0)
    throw new DriverError("UNAVAILABLE", `${spec.name}: expected chip ${spec.chip ?? ""}, found ${where}`);
  const names = new Set(chosen.map(({ name }) => name));
  const found = lines.filter(
    ({ chip, offset, name }) =>
      names.has(chip) && (typeof spec.line === "number" ? offset === spec.line : name === spec.line),
  );
  const [first, second] = found;
  if (first === undefined)
    throw new DriverError(
      "UNAVAILABLE",
      `${spec.name}: expected ${wanted(spec)}, found none; gpioinfo lists the lines of ${where}`,
    );
  if (second !== undefined)
    throw new DriverError(
      "CONFIG",
      `${spec.name}: expected ${wanted(spec)}, found several (${found.map(placeKey).join(", ")}): name the chip too`,
    );
  return { chip: first.chip, offset: first.offset };
};
