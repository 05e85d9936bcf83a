// The list of framings, and the choice among them by `framing: { type: ... }`. The one place that a new framing is added to.
import type { ZodType } from "zod";
import * as z from "zod";
import type { Framing } from "./framing.ts";
import { type JsonLinesOptions, jsonLines } from "./json-lines.ts";
import { type LinesOptions, lines } from "./lines.ts";
import { type RegexOptions, regex } from "./regex.ts";

export type FramingOptions = LinesOptions | JsonLinesOptions | RegexOptions;

/** The schema of `framing` in the options of a driver of bytes. */
export const framingSchema: ZodType<FramingOptions> = z
  .discriminatedUnion("type", [lines.schema, jsonLines.schema, regex.schema], {
    error: `expected one of ${[lines, jsonLines, regex].map(({ type }) => type).join(", ")}`,
  })
  .prefault({ type: "lines" })
  .describe("How the bytes are cut into messages. Left out: line by line.");

export const createFraming = (options: FramingOptions): Framing => {
  switch (options.type) {
    case "lines":
      return lines.create(options);
    case "json-lines":
      return jsonLines.create(options);
    case "regex":
      return regex.create(options);
  }
};
