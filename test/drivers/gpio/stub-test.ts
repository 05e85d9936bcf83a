// The conformance test of the gpio driver on a stub chip, for both versions of the tools.
import type { Driver, DriverContext } from "#drivers/driver.ts";
import type { Dialect } from "#drivers/gpio/parse.ts";
import { createGpioKind } from "#drivers/gpio.ts";
import type { DriverTest } from "../conformance.ts";
import type { Harness } from "../harness.ts";
import { createStubChip, type StubChip } from "./stub-chip.ts";

export const createPins = (
  chip: StubChip,
  options: Record<string, unknown>,
  context: DriverContext,
): Driver => {
  const kind = createGpioKind(chip.host);
  return kind.create(
    "pins",
    kind.schema.parse({ backend: "libgpiod", tools: chip.tools, ...options }),
    context,
  );
};

const OPTIONS = {
  inputs: [{ name: "door", line: "door" }],
  outputs: [{ name: "pump", line: "pump", after_stop: "release" }],
};

export const stubTest = (dialect: Dialect): DriverTest => ({
  vanishes: true,
  writes: true,
  garbles: true,
  open: async () => {
    const chip = createStubChip(dialect);
    let level: 0 | 1 = 0;
    return {
      create: (context: DriverContext) => createPins(chip, OPTIONS, context),
      appear: async () => chip.appear(),
      vanish: async () => chip.vanish(),
      produce: (harness: Harness) => {
        level = level === 0 ? 1 : 0;
        chip.edge(4, 4, level, harness.timers.nowMs());
      },
      garble: () => chip.print(4, "what is this\n"),
      write: { target: "pump", payload: Buffer.from("on") },
      dispose: async () => chip.dispose(),
    };
  },
});
