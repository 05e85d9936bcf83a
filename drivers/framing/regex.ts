// Framing `regex`: each line is matched with a pattern whose named groups become values.
//
//   pattern: '^T=(?<temperature>-?[\d.]+) H=(?<humidity>[\d.]+)$'      T=21.5 H=40  ->  { temperature: "21.5", humidity: "40" }
//
// A line that does not match is not an error (most devices say other things too): it is counted as `unmatched`.
// The pattern comes from the operator's own configuration and sees lines of bounded length; a pathological one can still be slow.
import * as z from "zod";
import type { Frame, FramingKind } from "./framing.ts";
import { discarded } from "./line-splitter.ts";
import { createTextFraming, type LineOptions, lineShape } from "./lines.ts";

export interface RegexOptions extends LineOptions {
  readonly type: "regex";
  readonly pattern: string;
}

/** The names of a pattern's groups, or null when it is no pattern. An added empty alternative always matches and shows all names. */
export const groupNames = (pattern: string): string[] | null => {
  try {
    return Object.keys(new RegExp(`${pattern}|`).exec("")?.groups ?? {});
  } catch {
    return null;
  }
};

const matched = (groups: Readonly<Record<string, string | undefined>>, bytes: number): Frame => ({
  kind: "payload",
  payload: { kind: "tree", value: { ...groups } },
  bytes,
});

export const regex: FramingKind<RegexOptions> = {
  type: "regex",
  schema: z.strictObject({
    type: z.literal("regex").describe("Each line is matched with a pattern whose named groups are values."),
    pattern: z
      .string()
      .refine((pattern) => groupNames(pattern) !== null, {
        error: "expected a regular expression (JavaScript syntax)",
      })
      .refine((pattern) => groupNames(pattern)?.length !== 0, {
        error: "expected at least one named group, such as (?<temperature>-?[0-9.]+)",
      })
      .describe(
        "A regular expression; each named group, (?<name>...), is a value. Anchor it with ^ and $ where you can.",
      ),
    ...lineShape,
  }),
  create: (options) => {
    const pattern = new RegExp(options.pattern);
    return createTextFraming(options, (text, bytes, line) => {
      const match = pattern.exec(text);
      return match === null
        ? discarded("unmatched", bytes, line, "the line does not match the pattern")
        : matched(match.groups ?? {}, bytes);
    });
  },
};
