// The gpio driver on stub tools of both versions. On a real kernel: kernel.long.test.ts.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { Driver } from "#drivers/driver.ts";
import type { Dialect } from "#drivers/gpio/parse.ts";
import { testDriver } from "../conformance.ts";
import { advanceUntil, createHarness, type Harness, until } from "../harness.ts";
import { createStubChip, endProcesses, processesWith, type StubChip } from "./stub-chip.ts";
import { createPins as create, stubTest } from "./stub-test.ts";

const DOOR = { name: "door", line: "door" };
const PUMP = { name: "pump", line: "pump", after_stop: "release" };

testDriver("gpio with libgpiod 2", stubTest(2));

interface Stage {
  readonly chip: StubChip;
  readonly harness: Harness;
  readonly driver: Driver;
  up(): Promise<void>;
}

const onStage = async (
  dialect: Dialect,
  options: Record<string, unknown>,
  play: (stage: Stage) => Promise<void>,
): Promise<void> => {
  const chip = createStubChip(dialect);
  chip.appear();
  const harness = createHarness();
  const driver = create(chip, options, harness.context);
  const up = async (): Promise<void> => {
    await driver.start();
    await advanceUntil(harness, () => harness.state() === "up", "the driver to be up");
  };
  try {
    await play({ chip, harness, driver, up });
  } finally {
    await driver.stop();
    await endProcesses(chip.tools);
    chip.dispose();
  }
};

const write = (driver: Driver, target: string, word: string): Promise<void> | undefined =>
  driver.write?.({ target, payload: Buffer.from(word) });

describe.each([1, 2] as const)("gpio with libgpiod %i", (dialect) => {
  it("reports the first level and then each edge with the kernel's stamp, by line name", () =>
    onStage(dialect, { inputs: [DOOR] }, async ({ chip, harness, up }) => {
      chip.pull(4, 1);
      await up();
      chip.edge(4, 4, 0, 1_234.567891);
      chip.edge(4, 4, 1, 1_235);
      await until(() => harness.readings().length === 3, "two edges");
      expect(harness.readings().map(({ name, value }) => [name, value])).toEqual([
        ["door", true],
        ["door", false],
        ["door", true],
      ]);
      expect(harness.readings()[1]?.monoMs).toBeCloseTo(1_234.567891, 6);
    }));

  it("finds lines by chip and offset, and groups them into as few watches as their settings allow", () =>
    onStage(
      dialect,
      {
        inputs: [
          { name: "a", line: 1, chip: "gpiochip0" },
          { name: "b", line: 2, chip: "edge-sim" },
          { name: "c", line: 3, chip: "gpiochip0", bias: "pull_up", active_low: true },
        ],
      },
      async ({ chip, harness, up }) => {
        await up();
        // Each watch has two shells (guards.ts).
        expect(processesWith("petrel-gpio-watch", chip.tools)).toHaveLength(2 * 2);
        chip.edge(1, 2, 1, harness.timers.nowMs());
        chip.edge(3, 3, 0, harness.timers.nowMs());
        await until(() => harness.readings().length === 5, "two edges after three levels");
        expect(
          harness
            .readings()
            .slice(3)
            .map(({ name }) => name)
            .sort(),
        ).toEqual(["b", "c"]);
      },
    ));

  it("counts edges it can prove to have lost", () =>
    onStage(dialect, { inputs: [DOOR] }, async ({ chip, harness, up }) => {
      await up();
      for (const level of [1, 1, 0] as const) chip.edge(4, 4, level, harness.timers.nowMs());
      await until(() => harness.readings().length === 4, "the edges");
      expect(harness.counted("edges_lost")).toBe(1);
    }));

  it("takes a burst of 1,000 edges while it cannot read", () =>
    onStage(dialect, { inputs: [DOOR] }, async ({ chip, harness, up }) => {
      await up();
      for (let index = 0; index < 1_000; index += 1)
        chip.edge(4, 4, index % 2 === 0 ? 1 : 0, harness.timers.nowMs());
      await until(() => harness.readings().length === 1_001, "all edges");
      expect(harness.counted("edges_lost")).toBe(0);
    }));

  it("reports a count and its rate at its own pace", () =>
    onStage(
      dialect,
      {
        inputs: [
          {
            name: "rain/total",
            line: "rain",
            edges: "falling",
            count: { every_s: 10, scale: 0.5, unit: "mm" },
          },
        ],
      },
      async ({ chip, harness, up }) => {
        await up();
        for (let index = 0; index < 6; index += 1) chip.edge(1, 1, 0, harness.timers.nowMs());
        await advanceUntil(
          harness,
          () => harness.readings().some(({ value }) => value === 3),
          "the count",
          10_000,
        );
      },
    ));

  it("drives outputs to their safe value at the start, then as written, one after the other", () =>
    onStage(dialect, { outputs: [{ ...PUMP, safe: 1 }] }, async ({ chip, harness, driver, up }) => {
      await up();
      expect(chip.driven(6)).toBe("1");
      await Promise.all([
        write(driver, "pump", "off"),
        write(driver, "pump", "1"),
        write(driver, "pump", "false"),
      ]);
      expect(chip.driven(6)).toBe("0");
      expect(chip.history(6)).toBe("1010");
      expect(harness.readings().map(({ value }) => value)).toEqual([true, false, true, false]);
    }));

  it("keeps the safe value after a stop, and takes the line over at the next start", () =>
    onStage(
      dialect,
      { outputs: [{ ...PUMP, after_stop: "hold" }] },
      async ({ chip, harness, driver, up }) => {
        await up();
        await write(driver, "pump", "on");
        await driver.stop();
        await until(() => chip.driven(6) === "0", "the safe value");
        expect(chip.holder(6)).toBe(dialect === 1 ? "gpioset" : "petrel");
        expect(harness.state()).toBe("stopped");
      },
    ));

  it("goes to the safe value when the agent is killed, keeps it, and ends its watches", () =>
    onStage(dialect, { inputs: [DOOR] }, async ({ chip, harness, driver, up }) => {
      const script = join(import.meta.dirname, "killed-agent.ts");
      const child = spawn(process.execPath, [script, chip.tools, JSON.stringify(chip.host)], {
        stdio: ["ignore", "pipe", "inherit"],
      });
      let said = "";
      child.stdout.on("data", (chunk: Buffer) => {
        said += chunk.toString();
      });
      await until(() => said.includes("driving"), "the agent to drive its pump");
      expect(chip.driven(6)).toBe("1");
      child.kill("SIGKILL");
      await once(child, "exit");
      await until(() => chip.driven(6) === "0", "the safe value");
      await until(() => chip.holder(4) === null, "the watch to be over");
      expect(chip.holder(6)).not.toBeNull();
      // A new agent takes both lines over.
      const successor = create(chip, { outputs: [PUMP] }, harness.context);
      await successor.start();
      await advanceUntil(harness, () => harness.state() === "up", "the successor to be up");
      await write(successor, "pump", "on");
      expect(chip.driven(6)).toBe("1");
      await successor.stop();
      expect(chip.holder(6)).toBeNull();
      await up();
      await driver.stop();
    }));

  it("goes to the safe value when the link is lost for long enough, and stays there", () =>
    onStage(
      dialect,
      {
        outputs: [
          { ...PUMP, safe_on: "link_lost", link_lost_after_s: 30 },
          { ...PUMP, name: "relay", line: "relay" },
        ],
      },
      async ({ chip, harness, driver, up }) => {
        await up();
        await write(driver, "pump", "on");
        await write(driver, "relay", "on");
        driver.link?.(false);
        harness.timers.advance(20_000);
        driver.link?.(true);
        driver.link?.(false);
        harness.timers.advance(29_000);
        expect(chip.driven(6)).toBe("1");
        harness.timers.advance(1_000);
        await until(() => chip.driven(6) === "0", "the safe value");
        expect(chip.driven(0)).toBe("1");
        driver.link?.(true);
        expect(chip.driven(6)).toBe("0");
      },
    ));

  it("notices that the process behind an output was ended, and drives the safe value again", () =>
    onStage(dialect, { outputs: [PUMP] }, async ({ chip, harness, up }) => {
      await up();
      for (const pid of processesWith(join(chip.tools, "gpioset"), "6=0")) {
        if (!processesWith("petrel-gpio-guard").includes(pid)) process.kill(Number(pid), "SIGTERM");
      }
      await advanceUntil(harness, () => harness.state() === "down", "down");
      expect(harness.states.at(-1)?.detail).toContain("pump: the process that held the line was ended");
      await advanceUntil(harness, () => harness.state() === "up", "up again");
      expect(chip.driven(6)).toBe("0");
    }));

  it("says that a line is held by another program, and goes on once it is free", () =>
    onStage(dialect, { outputs: [PUMP] }, async ({ chip, harness, driver }) => {
      chip.occupy(6);
      await driver.start();
      await until(() => harness.state() === "down", "down");
      expect(harness.states.at(-1)?.detail).toContain('held by "somebody"');
      await expect(write(driver, "pump", "on")).rejects.toThrow(/not held|nothing was changed/);
      chip.free(6);
      await advanceUntil(harness, () => harness.state() === "up", "up");
    }));

  it("says which line it did not find, and what there is", () =>
    onStage(dialect, { inputs: [{ name: "x", line: "nosuch" }] }, async ({ harness, driver }) => {
      await driver.start();
      await until(() => harness.state() === "down", "down");
      expect(harness.states.at(-1)?.detail).toContain('expected a line named "nosuch", found none');
      expect(harness.states.at(-1)?.detail).toContain("gpiochip0 [edge-sim]");
    }));

  it("refuses a word that is no level, and a target that is no output", () =>
    onStage(dialect, { outputs: [PUMP] }, async ({ driver, up }) => {
      await up();
      await expect(write(driver, "pump", "maybe")).rejects.toThrow(
        'expected on or off (1 or 0, true or false), found "maybe"',
      );
      await expect(write(driver, "pumpe", "on")).rejects.toThrow("expected one of pump");
    }));

  it("debounces, in the kernel or here", () =>
    onStage(dialect, { inputs: [{ ...DOOR, debounce_ms: 20 }] }, async ({ chip, harness, up }) => {
      await up();
      const now = harness.timers.nowMs();
      // A kernel that debounces hands on what is left: one edge.
      const levels = dialect === 1 ? ([1, 0, 1] as const) : ([1] as const);
      for (const [index, level] of levels.entries()) chip.edge(4, 4, level, now + index);
      await advanceUntil(harness, () => harness.readings().length === 2, "the debounced edge", 10);
      expect(harness.readings().map(({ value }) => value)).toEqual([false, true]);
    }));
});

it("says what to install when there are neither tools nor sysfs", async () => {
  const chip = createStubChip(2);
  const harness = createHarness();
  const driver = create(chip, { backend: "auto", tools: "/nonexistent", inputs: [DOOR] }, harness.context);
  await driver.start();
  await until(() => harness.state() === "down", "down");
  expect(harness.states.at(-1)?.detail).toContain("apt install gpiod");
  await driver.stop();
  chip.dispose();
});
