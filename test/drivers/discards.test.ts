import { describe, expect, it } from "vitest";
import { createDiscardReporter, printable } from "#drivers/discards.ts";
import { createHarness } from "./harness.ts";

describe("discarded input", () => {
  it("is counted every time and logged once a minute per kind, with how many were not shown", () => {
    const harness = createHarness();
    const report = createDiscardReporter(harness.context);
    const bad = {
      counter: "malformed",
      message: "no JSON",
      sample: Buffer.from("x"),
      level: "warn",
    } as const;
    for (let time = 0; time < 100; time += 1) report(bad);
    report({ ...bad, counter: "overlong" });
    harness.timers.advance(60_000);
    report(bad);
    expect(harness.counted("malformed")).toBe(101);
    expect(harness.logs.map(({ fields }) => fields)).toEqual([
      { counter: "malformed", sample: "x" },
      { counter: "overlong", sample: "x" },
      { counter: "malformed", sample: "x", notShown: 99 },
    ]);
  });

  it("is shown without anything that could steer a terminal, and never whole", () => {
    expect(printable(Buffer.from("a\u001b[2J\\\n\u00ff", "latin1"))).toBe("a\\x1b[2J\\x5c\\x0a\\xff");
    expect(printable(Buffer.alloc(1_000, 0x41))).toHaveLength(64);
  });
});
