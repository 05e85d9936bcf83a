// The options of the gpio driver as they stand in the configuration.
import type { ZodType } from "zod";
import * as z from "zod";
import { isReadingName } from "../mapping.ts";
import { DEBOUNCE_MAX_MS, LINES_MAX } from "./limits.ts";

export type Bias = "as_is" | "disabled" | "pull_up" | "pull_down";
export type Drive = "push_pull" | "open_drain" | "open_source";
export type Edges = "both" | "rising" | "falling";

export interface RateOptions {
  readonly name: string;
  readonly per: "s" | "min" | "h";
  readonly unit?: string | undefined;
}

export interface CountOptions {
  readonly every_s: number;
  readonly scale: number;
  readonly unit?: string | undefined;
  readonly rate?: RateOptions | undefined;
}

interface LineOptions {
  readonly name: string;
  readonly line: string | number;
  readonly chip?: string | undefined;
  readonly bias: Bias;
  readonly active_low: boolean;
}

export interface InputOptions extends LineOptions {
  readonly edges: Edges;
  readonly debounce_ms: number;
  readonly count?: CountOptions | undefined;
}

export interface OutputOptions extends LineOptions {
  readonly drive: Drive;
  readonly safe: 0 | 1;
  readonly safe_on?: "link_lost" | undefined;
  readonly link_lost_after_s: number;
  readonly after_stop: "hold" | "release";
}

export interface GpioOptions {
  readonly backend: "auto" | "libgpiod" | "sysfs";
  readonly tools?: string | undefined;
  readonly inputs: readonly InputOptions[];
  readonly outputs: readonly OutputOptions[];
}

const readingName = z.string().refine(isReadingName, {
  error: "expected a name of letters, digits and : . / _ -, such as door or rain/total",
});

const unit = z.string().min(1).max(32).optional();

const lineShape = {
  name: readingName.describe("Name of the reading; for an output also what a write is addressed to."),
  line: z
    .union([z.string().min(1).max(64), z.int().min(0).max(65_535)])
    .describe("The line: its name (gpioinfo shows them), or its offset on the chip."),
  chip: z
    .string()
    .min(1)
    .max(64)
    .optional()
    .describe("The chip, by name (gpiochip0) or label; needed with an offset."),
  bias: z
    .enum(["as_is", "disabled", "pull_up", "pull_down"])
    .default("as_is")
    .describe("The line's resistor."),
  active_low: z.boolean().default(false).describe("true: a low voltage means 1."),
};

const rateSchema: ZodType<RateOptions> = z.strictObject({
  name: readingName.describe("Name of the reading that carries the rate."),
  per: z.enum(["s", "min", "h"]).default("s").describe("The time that the rate is given for."),
  unit: unit.describe("SenML unit of the rate."),
});

const countSchema: ZodType<CountOptions> = z
  .strictObject({
    every_s: z
      .number()
      .min(0.1)
      .max(86_400)
      .default(10)
      .describe("How often the count becomes a reading, in seconds."),
    scale: z
      .number()
      .default(1)
      .describe("What one edge stands for: 0.2794 for a rain gauge in millimetres."),
    unit: unit.describe("SenML unit of the count."),
    rate: rateSchema.optional().describe("A second reading: how fast it counted since the last one."),
  })
  .describe("Count edges instead of reporting each.");

const inputSchema: ZodType<InputOptions> = z.strictObject({
  ...lineShape,
  edges: z
    .enum(["both", "rising", "falling"])
    .default("both")
    .describe("Which edges are reported or counted."),
  debounce_ms: z
    .int()
    .min(0)
    .max(DEBOUNCE_MAX_MS)
    .default(0)
    .describe(
      "A level counts once it has lasted this long: in the kernel with libgpiod 2, here with libgpiod 1.",
    ),
  count: countSchema.optional(),
});

const bit = z.union([z.literal(0), z.literal(1)]);

const outputSchema: ZodType<OutputOptions> = z.strictObject({
  ...lineShape,
  drive: z
    .enum(["push_pull", "open_drain", "open_source"])
    .default("push_pull")
    .describe("How the line is driven."),
  safe: bit.default(0).describe("The value at start, at stop, and whenever the agent dies."),
  safe_on: z
    .literal("link_lost")
    .optional()
    .describe("link_lost: also while the homeserver cannot be reached."),
  link_lost_after_s: z
    .number()
    .min(0)
    .max(86_400)
    .default(30)
    .describe("How long it may be unreachable before that."),
  after_stop: z
    .enum(["hold", "release"])
    .default("hold")
    .describe(
      "hold: a small process keeps the safe value after the agent has stopped. release: the line is let go.",
    ),
});

const places = ({ inputs, outputs }: GpioOptions): string[] =>
  [...inputs, ...outputs].map(({ chip, line }) => JSON.stringify([chip ?? "", line]));

const names = ({ inputs, outputs }: GpioOptions): string[] => [
  ...[...inputs, ...outputs].map(({ name }) => name),
  ...inputs.flatMap(({ count }) => (count?.rate === undefined ? [] : [count.rate.name])),
];

const distinct = (items: readonly string[]): boolean => new Set(items).size === items.length;

const offsetsHaveChips = ({ backend, inputs, outputs }: GpioOptions): boolean =>
  backend === "sysfs" ||
  [...inputs, ...outputs].every(({ line, chip }) => typeof line === "string" || chip !== undefined);

export const gpioSchema: ZodType<GpioOptions> = z
  .strictObject({
    backend: z
      .enum(["auto", "libgpiod", "sysfs"])
      .default("auto")
      .describe(
        "libgpiod: its command line tools (gpiomon, gpioset, ...). sysfs: the old interface, through onoff.",
      ),
    tools: z
      .string()
      .min(1)
      .optional()
      .describe("Folder of libgpiod's tools. Left out: as the system finds them."),
    inputs: z.array(inputSchema).max(LINES_MAX).default([]).describe("Lines that are watched."),
    outputs: z.array(outputSchema).max(LINES_MAX).default([]).describe("Lines that are driven."),
  })
  .refine(({ inputs, outputs }) => inputs.length + outputs.length > 0, {
    error: "expected at least one input or output",
  })
  .refine((options) => distinct(places(options)), { error: "expected each line once" })
  .refine((options) => distinct(names(options)), { error: "expected each name once" })
  .refine(offsetsHaveChips, {
    error: "expected a chip beside each offset: offsets start anew on every chip",
  });
