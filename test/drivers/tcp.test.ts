import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";
import { describe, expect, it } from "vitest";
import { type Driver, type DriverContext, DriverError } from "#drivers/driver.ts";
import { type TcpOptions, tcp } from "#drivers/tcp.ts";
import { type DriverBench, testDriver } from "./conformance.ts";
import { advanceUntil, createHarness, type Harness, until } from "./harness.ts";

const HOST = "127.0.0.1";

const optionsFor = (port: number, more: Partial<Record<keyof TcpOptions, unknown>> = {}): TcpOptions =>
  tcp.schema.parse({ host: HOST, port, framing: { type: "json-lines" }, ...more });

/** A device that listens: a real TCP server on a port that stays the same while it comes and goes. */
interface Device {
  readonly port: number;
  readonly received: Buffer[];
  sockets(): Socket[];
  listen(): Promise<void>;
  die(): Promise<void>;
}

const createDevice = async (): Promise<Device> => {
  const sockets = new Set<Socket>();
  const received: Buffer[] = [];
  let server: Server | null = null;
  const listen = async (port: number): Promise<number> => {
    server = createServer((socket) => {
      sockets.add(socket);
      socket.on("data", (data) => received.push(data));
      socket.on("error", () => undefined);
      socket.on("close", () => sockets.delete(socket));
    });
    server.listen(port, HOST);
    await once(server, "listening");
    const address = server.address();
    return typeof address === "object" && address !== null ? address.port : 0;
  };
  const die = async (): Promise<void> => {
    const dying = server;
    server = null;
    for (const socket of sockets) socket.resetAndDestroy();
    if (dying !== null) await new Promise((resolve) => dying.close(resolve));
  };
  const port = await listen(0);
  await die();
  return {
    port,
    received,
    sockets: () => [...sockets],
    listen: async () => void (await listen(port)),
    die,
  };
};

const say = async (device: Device, text: string): Promise<void> => {
  await until(() => device.sockets().length > 0, "the driver to be connected").catch(() => undefined);
  for (const socket of device.sockets()) socket.write(text);
};

const clientBench = async (): Promise<DriverBench> => {
  const device = await createDevice();
  return {
    create: (context) => tcp.create("meter", optionsFor(device.port), context),
    appear: device.listen,
    vanish: device.die,
    produce: () => {
      for (const socket of device.sockets()) socket.write('{"volt":12.5}\n');
    },
    garble: () => say(device, "{volt\n"),
    write: { target: "", payload: Buffer.from('{"relay":1}') },
    dispose: device.die,
  };
};

testDriver("tcp", { open: clientBench, vanishes: true, writes: true, garbles: true });

const running = async (
  options: (port: number) => TcpOptions,
  test: (scene: { harness: Harness; device: Device; driver: Driver }) => Promise<void>,
): Promise<void> => {
  const device = await createDevice();
  const harness = createHarness();
  const driver = tcp.create("meter", options(device.port), harness.context);
  try {
    await test({ harness, device, driver });
  } finally {
    harness.emitMode = "durable";
    harness.release();
    await driver.stop();
    await device.die();
  }
};

describe("the driver tcp as a client", () => {
  it("names what it cannot reach and what to do", () =>
    running(optionsFor, async ({ harness, device, driver }) => {
      await driver.start();
      await until(() => harness.state() === "down", "down");
      expect(harness.states.at(-1)?.detail).toBe(
        `tcp ${HOST}:${device.port}: nothing listens there; start the device's service, or check host and port`,
      );
    }));

  it("stays connected to a device that is silent for hours", () =>
    running(optionsFor, async ({ harness, device, driver }) => {
      await device.listen();
      await driver.start();
      await until(() => harness.state() === "up", "up");
      harness.timers.advance(3 * 3_600_000);
      await say(device, '{"volt":1}\n');
      await until(() => harness.readings().length === 1, "the reading");
      expect(harness.states.map(({ state }) => state)).toEqual(["starting", "up"]);
    }));

  it("sends what is written as the framing encodes it", () =>
    running(optionsFor, async ({ harness, device, driver }) => {
      await device.listen();
      await driver.start();
      await until(() => harness.state() === "up", "up");
      await driver.write?.({ target: "any", payload: Buffer.from('{"relay":1}') });
      await driver.write?.({ target: "any", payload: Buffer.from('{"relay":0}') });
      await until(() => Buffer.concat(device.received).length >= 24, "both lines");
      expect(Buffer.concat(device.received).toString()).toBe('{"relay":1}\n{"relay":0}\n');
    }));

  it("gives up a write that the device does not take, and refuses what would queue up behind it", () =>
    running(
      (port) => optionsFor(port, { framing: { type: "lines" } }),
      async ({ harness, device, driver }) => {
        await device.listen();
        await driver.start();
        await until(() => harness.state() === "up" && device.sockets().length === 1, "the connection");
        device.sockets()[0]?.pause();
        const write = async (bytes: number): Promise<unknown> => {
          try {
            await driver.write?.({ target: "", payload: Buffer.alloc(bytes, "x") });
            return "taken";
          } catch (error) {
            return error instanceof DriverError ? error.code : error;
          }
        };
        // More than the buffers of both kernels hold.
        const first = write(64 * 1024 * 1024);
        const waiting = Array.from({ length: 31 }, () => write(1));
        expect(await write(1)).toBe("BUSY");
        await until(() => harness.timers.pending().length > 0, "the time limit to run");
        harness.timers.advance(10_000);
        expect(await first).toBe("TIMEOUT");
        await driver.stop();
        expect(new Set(await Promise.all(waiting))).toEqual(new Set(["CLOSED"]));
      },
    ));

  it("discards a message that a dying connection cut, and joins nothing over the gap", () =>
    running(optionsFor, async ({ harness, device, driver }) => {
      await device.listen();
      await driver.start();
      await until(() => harness.state() === "up", "up");
      await say(device, '{"volt":1}\n{"volt":2');
      await until(() => harness.readings().length === 1, "the first message");
      for (const socket of device.sockets()) socket.end();
      await advanceUntil(harness, () => harness.counted("reconnects") === 1, "a new connection");
      await say(device, '{"volt":3}\n');
      await until(() => harness.readings().length === 2, "the message after");
      expect(harness.readings().map(({ value }) => value)).toEqual([1, 3]);
      expect(harness.counted("partial")).toBe(1);
    }));

  it("makes a fast device wait while emit is slow, and loses nothing", () =>
    running(
      (port) => optionsFor(port, { framing: { type: "lines" } }),
      async ({ harness, device, driver }) => {
        await device.listen();
        await driver.start();
        await until(() => harness.state() === "up", "up");
        await until(() => device.sockets().length === 1, "the connection");
        harness.emitMode = "hold";
        const count = 120_000;
        const [socket] = device.sockets();
        for (let from = 0; from < count; from += 1_000)
          socket?.write(Array.from({ length: 1_000 }, (_, index) => `${from + index}\n`).join(""));
        await until(() => harness.emitted.length > 0, "the first batch");
        await until(
          () => {
            harness.release();
            return harness.readings().length === count;
          },
          "all readings",
          20_000,
        );
        expect(harness.readings().every(({ value }, index) => value === index)).toBe(true);
        expect(harness.counted("dropped")).toBe(0);
      },
    ));
});

describe("the driver tcp as a client of a device that is too fast", () => {
  /** Resolves when the device has something to send and gets rid of none of it any more. */
  const stuck = async (device: Device): Promise<void> => {
    let [before, looks] = [-1, 0];
    await until(() => {
      const now = device.sockets()[0]?.writableLength ?? 0;
      looks = now > 0 && now === before ? looks + 1 : 0;
      before = now;
      return looks > 20;
    }, "the device to be stopped by its window");
  };

  it("makes the next connection wait too when the last one was cut while it waited", () =>
    running(
      (port) => optionsFor(port, { framing: { type: "lines" } }),
      async ({ harness, device, driver }) => {
        await device.listen();
        await driver.start();
        await until(() => harness.state() === "up" && device.sockets().length === 1, "the connection");
        harness.emitMode = "hold";
        const flood = `${"x".repeat(99)}\n`.repeat(150_000);
        await say(device, flood);
        await stuck(device);
        for (const socket of device.sockets()) socket.resetAndDestroy();
        // A socket that is not read notices its end by a write.
        const relay = { target: "", payload: Buffer.from("1") };
        await until(() => {
          driver.write?.(relay).catch(() => undefined);
          return harness.state() === "down";
        }, "down");
        await advanceUntil(harness, () => harness.counted("reconnects") === 1, "a new connection");
        await say(device, flood);
        await stuck(device);
        expect(harness.counted("dropped")).toBe(0);
      },
    ));
});

describe("the driver tcp as a listener", () => {
  const listening = (test: Parameters<typeof running>[1]): Promise<void> =>
    running((port) => optionsFor(port, { listen: true }), test);

  const call = async (port: number): Promise<Socket> => {
    const socket = connect(port, HOST);
    socket.on("error", () => undefined);
    await once(socket, "connect");
    return socket;
  };

  it("takes readings from a device that calls, and writes to it", () =>
    listening(async ({ harness, device, driver }) => {
      await driver.start();
      await until(() => harness.state() === "up", "up");
      await expect(driver.write?.({ target: "", payload: Buffer.from("1") })).rejects.toThrow(
        /no device is connected/,
      );
      const socket = await call(device.port);
      socket.write('{"volt":7}\n');
      await until(() => harness.readings().length === 1, "the reading");
      const heard = once(socket, "data");
      await driver.write?.({ target: "", payload: Buffer.from("1") });
      expect(String((await heard)[0])).toBe("1\n");
      socket.destroy();
    }));

  it("gives the place to the newest caller and cuts the message of the older one", () =>
    listening(async ({ harness, device, driver }) => {
      await driver.start();
      await until(() => harness.state() === "up", "up");
      const first = await call(device.port);
      first.write('{"volt":1}\n{"volt":');
      await until(() => harness.readings().length === 1, "the first reading");
      const ended = once(first, "close");
      const second = await call(device.port);
      await ended;
      second.write('{"volt":2}\n');
      await until(() => harness.readings().length === 2, "the second reading");
      expect(harness.counted("partial")).toBe(1);
      second.destroy();
    }));

  it("says who holds its port", () =>
    listening(async ({ harness, device, driver }) => {
      await device.listen();
      await driver.start();
      await until(() => harness.state() === "down", "down");
      expect(harness.states.at(-1)?.detail).toMatch(/another program listens there already/);
    }));
});

const listenerContext = (context: DriverContext, port: number): Driver =>
  tcp.create("meter", optionsFor(port, { listen: true }), context);

testDriver("tcp with listen", {
  vanishes: false,
  writes: false,
  garbles: true,
  open: async () => {
    const { port } = await createDevice();
    const callers: Socket[] = [];
    const send = async (text: string): Promise<void> => {
      const socket = connect(port, HOST);
      callers.push(socket);
      socket.on("error", () => undefined);
      await new Promise((resolve) => socket.on("connect", resolve).on("close", resolve));
      if (!socket.destroyed) socket.write(text);
    };
    return {
      create: (context) => listenerContext(context, port),
      produce: () => send('{"volt":1}\n'),
      garble: () => send("volt\n"),
      dispose: async () => {
        for (const socket of callers) socket.destroy();
      },
    };
  },
});
