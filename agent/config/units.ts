// Quantities in the configuration: durations ("500ms", "5s", "2m", "1h", "7d") become milliseconds, sizes ("64KiB", "10MB") bytes.
import type { ZodType } from "zod";
import * as z from "zod";

const MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const BYTES: Readonly<Record<string, number>> = {
  B: 1,
  kB: 1000,
  MB: 1_000_000,
  GB: 1_000_000_000,
  KiB: 1024,
  MiB: 1024 ** 2,
  GiB: 1024 ** 3,
};

const quantity = (text: string, units: Readonly<Record<string, number>>): number | null => {
  const match = /^(\d+(?:\.\d+)?)\s*([A-Za-z]+)$/.exec(text.trim());
  const factor = match === null ? undefined : units[match[2] ?? ""];
  return match === null || factor === undefined ? null : Math.round(Number(match[1]) * factor);
};

const quantityOf = (units: Readonly<Record<string, number>>, expected: string): ZodType<number, string> =>
  z
    .string({ error: `expected ${expected}` })
    .refine((text) => quantity(text, units) !== null, { error: `expected ${expected}` })
    .transform((text) => quantity(text, units) ?? 0);

/** "5s" -> 5000. */
export const duration = (): ZodType<number, string> =>
  quantityOf(MS, 'a duration such as "500ms", "5s", "2m", "1h" or "7d"');

/** "64KiB" -> 65536. */
export const byteSize = (): ZodType<number, string> =>
  quantityOf(BYTES, 'a size such as "64KiB", "10MB" or "1GiB"');
