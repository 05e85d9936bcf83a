import { spawn } from "node:child_process";
import { EventEmitter, once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { type Driver, type DriverContext, DriverError } from "#drivers/driver.ts";
import { type SerialOptions, serial } from "#drivers/serial.ts";
import { type SerialLibrary, serialSource } from "#drivers/source/serial-source.ts";
import { needs, which } from "#test/support/peers.ts";
import { testDriver } from "./conformance.ts";
import { advanceUntil, createHarness, type Harness, until } from "./harness.ts";
import { createPty, type Pty } from "./pty.ts";

const optionsFor = (path: string, more: object = {}): SerialOptions => serial.schema.parse({ path, ...more });

interface Scene {
  readonly harness: Harness;
  readonly pty: Pty;
  readonly driver: Driver;
  values(): unknown[];
}

const withPort = async (
  socat: string,
  more: object,
  test: (scene: Scene) => Promise<void>,
  adapt: (context: DriverContext) => DriverContext = (context) => context,
): Promise<void> => {
  const [pty, harness] = [await createPty(socat), createHarness()];
  const driver = serial.create("gps", optionsFor(pty.path, more), adapt(harness.context));
  try {
    await test({ harness, pty, driver, values: () => harness.readings().map(({ value }) => value) });
  } finally {
    await driver.stop();
    await pty.dispose();
  }
};

const up = async ({ harness, pty, driver }: Scene): Promise<void> => {
  await pty.plugIn();
  await driver.start();
  await until(() => harness.state() === "up", "the port to be open");
  // A silence after opening: what comes next begins with a whole line.
  harness.timers.advance(100);
};

needs("socat", which("socat"), (socat) => {
  testDriver("serial", {
    vanishes: true,
    writes: true,
    garbles: true,
    open: async () => {
      const pty = await createPty(socat);
      return {
        create: (context) =>
          serial.create("gps", optionsFor(pty.path, { framing: { type: "json-lines" } }), context),
        appear: pty.plugIn,
        vanish: pty.unplug,
        produce: (harness) => {
          harness.timers.advance(100);
          pty.say('{"v":1}\n');
        },
        garble: (harness) => {
          harness.timers.advance(100);
          pty.say("{v\n");
        },
        write: { target: "", payload: Buffer.from('{"relay":1}') },
        dispose: pty.dispose,
      };
    },
  });

  describe("the driver serial", () => {
    const port = (title: string, more: object, test: (scene: Scene) => Promise<void>): void =>
      it(title, () => withPort(socat, more, test));

    port(
      "maps named groups of lines to readings",
      {
        framing: { type: "regex", pattern: "^T=(?<t>-?[0-9.]+) H=(?<h>[0-9.]+)$" },
        readings: [
          { name: "cabin/temperature", from: "t", unit: "Cel", type: "number" },
          { name: "cabin/humidity", from: "h", unit: "%RH", type: "number" },
        ],
      },
      async (scene) => {
        await up(scene);
        scene.pty.say("hello\r\nT=21.5 H=40\r\n");
        await until(() => scene.harness.readings().length === 2, "both readings");
        expect(scene.harness.emitted).toHaveLength(1);
        expect(scene.harness.readings()).toEqual([
          { name: "cabin/temperature", value: 21.5, unit: "Cel", monoMs: scene.harness.timers.nowMs() },
          { name: "cabin/humidity", value: 40, unit: "%RH", monoMs: scene.harness.timers.nowMs() },
        ]);
        expect(scene.harness.counted("unmatched")).toBe(1);
      },
    );

    port("writes lines to the device", { framing: { type: "lines", send_end: "\r\n" } }, async (scene) => {
      await up(scene);
      await scene.driver.write?.({ target: "x", payload: Buffer.from("RELAY 1") });
      await until(() => scene.pty.received().length >= 9, "the line");
      expect(scene.pty.received()).toBe("RELAY 1\r\n");
    });

    port("passes over a line whose beginning may have been missed at the opening", {}, async (scene) => {
      await scene.pty.plugIn();
      await scene.driver.start();
      await until(() => scene.harness.state() === "up", "the port to be open");
      scene.pty.say("3.5\n23.6\n");
      await until(() => scene.values().length === 1, "the whole line");
      expect(scene.values()).toEqual([23.6]);
      expect(scene.harness.counted("partial")).toBe(1);
    });

    port(
      "takes the same name again after ten times unplugging, and joins nothing over the gap",
      {},
      async (scene) => {
        await up(scene);
        for (let round = 1; round <= 10; round += 1) {
          scene.pty.say(`${round}\n99`);
          await until(() => scene.values().length === round, "the value of this round");
          await scene.pty.unplug();
          await until(() => scene.harness.state() === "down", "down");
          expect(scene.harness.states.at(-1)?.detail).toMatch(/the port is gone \(unplugged\?\)/);
          await scene.pty.plugIn();
          await advanceUntil(
            scene.harness,
            () => scene.harness.counted("reconnects") === round,
            "open again",
          );
          scene.harness.timers.advance(100);
        }
        expect(scene.values()).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
      },
    );

    port(
      "says that another process holds the port, and opens it once that one is gone",
      {},
      async (scene) => {
        await scene.pty.plugIn();
        const holder = spawn("flock", ["-F", "-x", scene.pty.path, "sh", "-c", "echo held; exec sleep 60"]);
        await once(holder.stdout, "data");
        await scene.driver.start();
        await until(() => scene.harness.state() === "down", "down");
        expect(scene.harness.states.at(-1)?.detail).toMatch(
          /held by another process; stop that one \(fuser -v /,
        );
        holder.kill("SIGKILL");
        await once(holder, "close");
        await advanceUntil(scene.harness, () => scene.harness.state() === "up", "up");
      },
    );

    it("keeps up with 92,160 bytes/s while every emit takes 500 ms, and drops nothing", async () => {
      const slowly = (context: DriverContext): DriverContext => ({
        ...context,
        emit: async (readings) => {
          const result = await context.emit(readings);
          await new Promise((resolve) => setTimeout(resolve, 500));
          return result;
        },
      });
      await withPort(
        socat,
        { baud: 921_600 },
        async (scene) => {
          await up(scene);
          const linesPerTick = 93;
          const ticks = 250;
          const started = performance.now();
          for (let tick = 0; tick < ticks; tick += 1) {
            const numbers = Array.from({ length: linesPerTick }, (_, index) => tick * linesPerTick + index);
            scene.pty.say(numbers.map((value) => `${String(value).padStart(9, "0")}\n`).join(""));
            const due = started + (tick + 1) * 10;
            await new Promise((resolve) => setTimeout(resolve, Math.max(0, due - performance.now())));
          }
          await until(() => scene.values().length === linesPerTick * ticks, "all numbers");
          expect(scene.values().every((value, index) => value === index)).toBe(true);
          expect(scene.harness.counted("dropped")).toBe(0);
        },
        slowly,
      );
    });
  });
});

describe("the driver serial without a device", () => {
  const detailOf = async (path: string): Promise<string | undefined> => {
    const harness = createHarness();
    const driver = serial.create("gps", optionsFor(path), harness.context);
    await driver.start();
    await until(() => harness.state() === "down", "down");
    await driver.stop();
    return harness.states.find(({ state }) => state === "down")?.detail;
  };

  it("names the missing port and what to do", async () => {
    expect(await detailOf("/dev/petrel-no-such-port")).toMatch(
      /^\/dev\/petrel-no-such-port: no such port; plug it in, or correct path/,
    );
  });

  it("says of a plain file that it is no serial port", async () => {
    const folder = await mkdtemp(join(tmpdir(), "petrel-plain-"));
    await writeFile(join(folder, "plain"), "");
    expect(await detailOf(join(folder, "plain"))).toMatch(/is not a serial port/);
    await rm(folder, { recursive: true });
  });
});

describe("what the serial library says", () => {
  const line = optionsFor("/dev/ttyX");
  const events = { data() {}, boundary() {}, preroll() {}, closed() {} };

  it("is missing altogether: one clear DriverError at the start", async () => {
    const source = serialSource(line, () =>
      Promise.reject(new Error("Cannot find package '@serialport/stream'")),
    );
    const error = await source.prepare?.().catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(DriverError);
    expect(error).toMatchObject({
      code: "CONFIG",
      message: expect.stringMatching(/npm install @serialport\/stream/) as string,
    });
  });

  it.each([
    ["Error: Permission denied, cannot open /dev/ttyX", "DENIED", /group dialout/],
    ["Error: No such file or directory, cannot open /dev/ttyX", "UNAVAILABLE", /no such port/],
    ["Error Resource temporarily unavailable Cannot lock port", "BUSY", /held by another process/],
    ["Error: Device or resource busy, cannot open /dev/ttyX", "BUSY", /held by another process/],
    ["Error: Inappropriate ioctl for device setting custom baud rate of 9600", "CONFIG", /not a serial port/],
    ["Error: Invalid argument, cannot set baud", "CONFIG", /check baud/],
    ["Error: Input/output error, cannot open /dev/ttyX", "UNAVAILABLE", /cannot be opened/],
  ])("becomes a sentence for the operator: %s", async (said, code, sentence) => {
    // The library's own words, as its binding for Linux gives them; a refusal of the kernel cannot be had as root.
    class RefusingPort extends EventEmitter {
      isOpen = false;
      open(done: (error: Error) => void): void {
        done(new Error(said));
      }
    }
    const library = { SerialPortStream: RefusingPort, binding: {} } as unknown as SerialLibrary;
    const error = await serialSource(line, () => Promise.resolve(library))
      .open(events)
      .catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code });
    expect(String(error)).toMatch(sentence);
  });
});
