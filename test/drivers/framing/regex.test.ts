import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Framing } from "#drivers/framing/framing.ts";
import { type RegexOptions, regex } from "#drivers/framing/regex.ts";
import { arbitraryCuts, bytesOf, expectIndifferentToCuts, framesOf, outline, trees } from "./codec.ts";

const make = (pattern: string, options: Partial<RegexOptions> = {}): Framing =>
  regex.create({ ...regex.schema.parse({ type: "regex", pattern }), ...options });

const WEATHER = "^T=(?<t>-?[0-9.]+)(?: H=(?<h>[0-9.]+))?$";

describe("the framing regex", () => {
  it("gives the named groups of each line", () => {
    expect(trees(framesOf(make(WEATHER), [bytesOf("T=21.5 H=40\r\nT=-3\n")]))).toEqual([
      { t: "21.5", h: "40" },
      { t: "-3", h: undefined },
    ]);
  });

  it("reports a line that does not match as unmatched and reads on", () => {
    expect(outline(framesOf(make(WEATHER), [bytesOf("booting v1.2\nT=1\n")]))).toEqual([
      ["unmatched", 13],
      [{ kind: "tree", value: { t: "1", h: undefined } }, 4],
    ]);
  });

  it("starts each line anew", () => {
    expect(trees(framesOf(make("(?<n>\\d)"), [bytesOf("a1\n2b\n")]))).toEqual([{ n: "1" }, { n: "2" }]);
  });

  it("does not depend on how the stream is cut", () => {
    const stream = fc
      .array(fc.constantFrom("T=1", "T=22.5 H=3", "noise", "\n", "\r\n"), { maxLength: 30 })
      .map((parts) => bytesOf(parts.join("")));
    fc.assert(
      fc.property(stream, arbitraryCuts, (bytes, cuts) =>
        expectIndifferentToCuts(() => make(WEATHER), bytes, cuts),
      ),
    );
  });

  it("agrees with the plain use of the pattern on whole lines", () => {
    const words = fc.array(fc.constantFrom("T=1", "T=2.5 H=7", "T=", "x", "T=3 H="), { maxLength: 20 });
    fc.assert(
      fc.property(words, (lines) => {
        const expected = lines.flatMap((line) => {
          const groups = new RegExp(WEATHER).exec(line)?.groups;
          return groups === undefined ? [] : [{ ...groups }];
        });
        expect(trees(framesOf(make(WEATHER), [bytesOf(lines.map((line) => `${line}\n`).join(""))]))).toEqual(
          expected,
        );
      }),
    );
  });

  it("refuses a pattern that is none, and one without a named group, saying what was expected", () => {
    expect(regex.schema.safeParse({ type: "regex", pattern: "(" }).error?.issues[0]?.message).toMatch(
      /^expected a regular expression/,
    );
    expect(regex.schema.safeParse({ type: "regex", pattern: "(a)" }).error?.issues[0]?.message).toMatch(
      /^expected at least one named group/,
    );
  });
});
