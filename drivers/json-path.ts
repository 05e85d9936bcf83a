// Where a value lies in a decoded message: the part of JSONPath (RFC 9535) that names exactly one place.
// Done: `$`, `.name`, `['any name']`, `["any name"]`, `[0]`, `[-1]`; the leading `$.` may be left out (`battery.voltage`).
// Left out on purpose: wildcards, slices, filters, descendants; a rule yields one reading, not a list.
import { DriverError } from "./driver.ts";

export type PathStep = string | number;

// One step: a dotted name, a quoted name in brackets, or an index in brackets.
const STEP = /\.([\p{L}_$][\p{L}\p{N}_$-]*)|\['([^']*)'\]|\["([^"]*)"\]|\[(-?\d{1,9})\]/uy;

const wrong = (path: string, at: number): DriverError =>
  new DriverError(
    "CONFIG",
    `"${path}" is not a path: expected names and indexes like battery.cells[0] or ['any name'], found "${path.slice(at, at + 20)}" at position ${at + 1}`,
  );

// `battery.voltage` and `[0]` are written without the root by most people.
const rooted = (path: string): string => {
  if (path.startsWith("$")) return path.slice(1);
  return path.startsWith("[") ? path : `.${path}`;
};

/** Compiles a path. Throws a `DriverError` (CONFIG) that shows the place. */
export const parsePath = (path: string): PathStep[] => {
  const rest = rooted(path);
  const shift = path.length - rest.length;
  const steps: PathStep[] = [];
  let at = 0;
  while (at < rest.length) {
    STEP.lastIndex = at;
    const match = STEP.exec(rest);
    if (match === null) throw wrong(path, Math.max(0, at + shift));
    const [, dotted, single, double, index] = match;
    steps.push(index === undefined ? (dotted ?? single ?? double ?? "") : Number(index));
    at = STEP.lastIndex;
  }
  return steps;
};

const step = (node: unknown, key: PathStep): unknown => {
  if (typeof node !== "object" || node === null) return undefined;
  if (typeof key === "number") return Array.isArray(node) ? node.at(key) : undefined;
  if (Array.isArray(node)) return undefined;
  // Own keys only: a path such as `constructor` must not reach what every object has.
  return Object.getOwnPropertyDescriptor(node, key)?.value;
};

/** The value at a path, or undefined when there is none. */
export const readPath = (root: unknown, path: readonly PathStep[]): unknown => path.reduce(step, root);
