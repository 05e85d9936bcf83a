// The specification of a driver as one function: `testDriver(name, options)` is called by the test of each driver, which then adds only what is
// peculiar to it. The bench that it is given stands for the outside (a socket, a pty, a broker, a fake /proc) and is real, never a mock of ours.
import { describe, expect, it } from "vitest";
import { type Driver, type DriverContext, DriverError, type WriteRequest } from "#drivers/driver.ts";
import { advanceUntil, createHarness, type Harness, until } from "./harness.ts";

/** The outside of one driver in one test. It begins with the source absent, where a source can be absent at all. */
export interface DriverBench {
  create(context: DriverContext): Driver;
  /** The device is there: the broker listens, the port is plugged in. */
  appear?(): Promise<void>;
  /** It is gone, without a farewell. Absent: such a source cannot vanish (the kernel, a simulation). */
  vanish?(): Promise<void>;
  /** Makes the source say something that becomes at least one reading; called while the driver is up. May move the timers of a driver that samples. */
  produce(harness: Harness): Promise<void> | void;
  /** Makes the source say something malformed. */
  garble?(harness: Harness): Promise<void> | void;
  /** A write that works while the device is there. Absent: the driver is read-only. */
  readonly write?: WriteRequest;
  /** Takes the bench down, whatever state it is in. */
  dispose(): Promise<void>;
}

export interface DriverTest {
  readonly open: () => Promise<DriverBench>;
  /** Whether the source can be absent and come back (then the bench has appear and vanish). */
  readonly vanishes: boolean;
  readonly writes: boolean;
  readonly garbles: boolean;
}

interface Scene {
  readonly bench: DriverBench;
  readonly harness: Harness;
  readonly driver: Driver;
}

const withDriver = async (test: DriverTest, scene: (scene: Scene) => Promise<void>): Promise<void> => {
  const bench = await test.open();
  const harness = createHarness();
  const driver = bench.create(harness.context);
  try {
    await scene({ bench, harness, driver });
  } finally {
    // A batch that a test held back must not make the stop wait for a timer that nobody moves.
    harness.emitMode = "durable";
    harness.release();
    await driver.stop();
    await bench.dispose();
  }
};

const bringUp = async ({ bench, harness, driver }: Scene): Promise<void> => {
  await bench.appear?.();
  await driver.start();
  await advanceUntil(harness, () => harness.state() === "up", "the driver to be up");
};

const produceOne = async ({ bench, harness }: Scene, what: string): Promise<void> => {
  const before = harness.emitted.length;
  await bench.produce(harness);
  await until(() => harness.emitted.length > before, what);
};

const NAME = /^[A-Za-z0-9][A-Za-z0-9:./_-]*$/;

const everyDriver = (test: DriverTest): void => {
  const scene = (title: string, run: (scene: Scene) => Promise<void>): void =>
    it(title, () => withDriver(test, run));

  scene("does nothing before it is started", async ({ harness }) => {
    expect(harness.emitted).toEqual([]);
    expect(harness.timers.pending()).toEqual([]);
  });

  scene("reports that it is up and emits readings with SenML names and the monotonic time", async (stage) => {
    await bringUp(stage);
    const earliest = stage.harness.timers.nowMs();
    await produceOne(stage, "a reading");
    for (const reading of stage.harness.readings()) {
      expect(reading.name).toMatch(NAME);
      expect(reading.monoMs).toBeLessThanOrEqual(stage.harness.timers.nowMs());
    }
    expect(stage.harness.readings().some((reading) => reading.monoMs >= earliest)).toBe(true);
  });

  scene("emits nothing after stop has resolved, and leaves no timer", async (stage) => {
    await bringUp(stage);
    await stage.driver.stop();
    const batches = stage.harness.emitted.length;
    expect(stage.harness.timers.pending()).toEqual([]);
    expect(stage.harness.state()).toBe("stopped");
    await stage.bench.produce(stage.harness);
    stage.harness.timers.advance(120_000);
    expect(stage.harness.emitted.length).toBe(batches);
  });

  scene("may be stopped twice, at once, and before it was started", async ({ driver, harness, bench }) => {
    await driver.stop();
    await driver.stop();
    const second = bench.create(harness.context);
    await second.start();
    await Promise.all([second.stop(), second.stop()]);
    expect(harness.timers.pending()).toEqual([]);
  });

  scene("counts what emit refuses and goes on", async (stage) => {
    await bringUp(stage);
    stage.harness.emitMode = "refuse";
    await produceOne(stage, "a batch that is refused");
    await until(() => stage.harness.counted("refused") > 0, "the refusal to be counted");
    stage.harness.emitMode = "durable";
    await produceOne(stage, "a batch after the refused one");
  });

  scene("outlives an emit that rejects", async (stage) => {
    await bringUp(stage);
    stage.harness.emitMode = "throw";
    await produceOne(stage, "a batch that breaks");
    await until(() => stage.harness.counted("refused") > 0, "the failure to be counted");
    stage.harness.emitMode = "durable";
    await produceOne(stage, "a batch after the broken one");
  });

  scene("stops although emit never settles", async (stage) => {
    await bringUp(stage);
    stage.harness.emitMode = "hold";
    await produceOne(stage, "a batch that is held");
    let stopped = false;
    const stopping = stage.driver.stop().then(() => {
      stopped = true;
    });
    await advanceUntil(stage.harness, () => stopped, "the stop to give up on the held batch");
    await stopping;
  });
};

const vanishingDriver = (test: DriverTest): void => {
  const scene = (title: string, run: (scene: Scene) => Promise<void>): void =>
    it(title, () => withDriver(test, run));

  scene("starts without its device and says what is missing", async ({ driver, harness }) => {
    await driver.start();
    await until(() => harness.state() === "down", "the driver to say that it is down");
    expect(harness.states.at(-1)?.detail?.length).toBeGreaterThan(10);
    expect(harness.emitted).toEqual([]);
  });

  scene("comes up by itself once the device is there", async (stage) => {
    await stage.driver.start();
    await until(() => stage.harness.state() === "down", "down");
    await stage.bench.appear?.();
    await advanceUntil(stage.harness, () => stage.harness.state() === "up", "up");
    await produceOne(stage, "a reading");
  });

  scene("notices that the device is gone, and comes back with it", async (stage) => {
    await bringUp(stage);
    await produceOne(stage, "a reading before");
    await stage.bench.vanish?.();
    await advanceUntil(stage.harness, () => stage.harness.state() === "down", "down");
    expect(stage.harness.states.at(-1)?.detail?.length).toBeGreaterThan(10);
    await stage.bench.appear?.();
    await advanceUntil(stage.harness, () => stage.harness.state() === "up", "up again");
    expect(stage.harness.counted("reconnects")).toBeGreaterThan(0);
    await produceOne(stage, "a reading after");
  });

  it("waits between attempts on the injected timers, longer each time, with jitter", async () => {
    const delays = async (randomByte: number): Promise<number[]> => {
      const seen: number[] = [];
      await withDriver(test, async ({ driver, harness }) => {
        harness.randomByte = randomByte;
        await driver.start();
        for (let attempt = 0; attempt < 4; attempt += 1) {
          const downs = (): number => harness.states.filter(({ state }) => state === "down").length;
          const before = downs();
          await until(() => harness.timers.pending().length > 0 && downs() >= 1, "a retry to be planned");
          const delay = Math.max(...harness.timers.pending());
          seen.push(delay);
          harness.timers.advance(delay);
          await until(() => downs() > before || harness.timers.pending().length > 0, "the next attempt");
        }
      });
      return seen;
    };
    const [early, late] = [await delays(0), await delays(255)];
    expect(early[0]).toBeLessThan(late[0] ?? 0);
    expect(late[0]).toBeLessThanOrEqual(1_000);
    expect(early.at(-1)).toBeGreaterThan(early[0] ?? 0);
  });

  scene("stops while it waits for its device", async ({ driver, harness }) => {
    await driver.start();
    await until(
      () => harness.state() === "down" && harness.timers.pending().length > 0,
      "a retry to be planned",
    );
    await driver.stop();
    expect(harness.timers.pending()).toEqual([]);
  });
};

const writingDriver = (test: DriverTest): void => {
  const expectRefusal = async ({ driver, bench }: Scene): Promise<void> => {
    const request = bench.write ?? { target: "", payload: new Uint8Array() };
    const error = await (driver.write?.(request) ?? Promise.resolve()).then(
      () => null,
      (reason: unknown) => reason,
    );
    expect(error).toBeInstanceOf(DriverError);
  };

  it("writes while it is up", () =>
    withDriver(test, async (stage) => {
      await bringUp(stage);
      await stage.driver.write?.(stage.bench.write ?? { target: "", payload: new Uint8Array() });
    }));

  it("refuses a write before the start and after the stop with a DriverError", () =>
    withDriver(test, async (stage) => {
      await expectRefusal(stage);
      await bringUp(stage);
      await stage.driver.stop();
      await expectRefusal(stage);
    }));

  if (test.vanishes)
    it("refuses a write while the device is gone with a DriverError", () =>
      withDriver(test, async (stage) => {
        await stage.driver.start();
        await until(() => stage.harness.state() === "down", "down");
        await expectRefusal(stage);
      }));
};

const garbledDriver = (test: DriverTest): void => {
  it("counts malformed input, logs a sample of it, and reads on", () =>
    withDriver(test, async (stage) => {
      await bringUp(stage);
      await stage.bench.garble?.(stage.harness);
      await until(() => stage.harness.counted("malformed") > 0, "the malformed input to be counted");
      expect(stage.harness.logs.some(({ level }) => level === "warn")).toBe(true);
      await produceOne(stage, "a reading after the malformed one");
    }));
};

/** Runs the whole specification against one kind of driver. */
export const testDriver = (name: string, test: DriverTest): void => {
  describe(`${name} behaves as a driver`, () => {
    everyDriver(test);
    if (test.vanishes) vanishingDriver(test);
    if (test.writes) writingDriver(test);
    if (test.garbles) garbledDriver(test);
  });
};
