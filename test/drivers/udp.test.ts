import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { describe, expect, it } from "vitest";
import type { Driver } from "#drivers/driver.ts";
import { type UdpOptions, udp } from "#drivers/udp.ts";
import { testDriver } from "./conformance.ts";
import { advanceUntil, createHarness, type Harness, until } from "./harness.ts";

const HOST = "127.0.0.1";

const bindAny = async (): Promise<Socket> => {
  const socket = createSocket("udp4");
  socket.bind(0, HOST);
  await once(socket, "listening");
  return socket;
};

const closed = (socket: Socket): Promise<void> =>
  new Promise((resolve) => void socket.close(() => resolve()));

const freePort = async (): Promise<number> => {
  const socket = await bindAny();
  const { port } = socket.address();
  await closed(socket);
  return port;
};

const optionsFor = (port: number, more: object = {}): UdpOptions => udp.schema.parse({ port, ...more });

const send = (from: Socket, text: string, port: number): Promise<void> =>
  new Promise((resolve) => from.send(text, port, HOST, () => resolve()));

testDriver("udp", {
  vanishes: false,
  writes: true,
  garbles: true,
  open: async () => {
    const [port, peer] = [await freePort(), await bindAny()];
    const options = optionsFor(port, {
      framing: { type: "json-lines" },
      send_to: { host: HOST, port: peer.address().port },
    });
    return {
      create: (context) => udp.create("wind", options, context),
      produce: () => send(peer, '{"speed":3}', port),
      garble: () => send(peer, "{speed", port),
      write: { target: "", payload: Buffer.from("1") },
      dispose: () => closed(peer),
    };
  },
});

const running = async (
  more: object,
  test: (scene: { harness: Harness; driver: Driver; peer: Socket; port: number }) => Promise<void>,
): Promise<void> => {
  const [port, peer, harness] = [await freePort(), await bindAny(), createHarness()];
  const driver = udp.create("wind", optionsFor(port, more), harness.context);
  try {
    await test({ harness, driver, peer, port });
  } finally {
    await driver.stop();
    await closed(peer);
  }
};

describe("the driver udp", () => {
  it("takes each datagram as whole, with or without an end of line, and several lines of one together", () =>
    running({}, async ({ harness, driver, peer, port }) => {
      await driver.start();
      await until(() => harness.state() === "up", "up");
      for (const text of ["1", "2\n", "3\n4"]) await send(peer, text, port);
      await until(() => harness.readings().length === 4, "all values");
      expect(harness.readings().map(({ value }) => value)).toEqual([1, 2, 3, 4]);
      expect(harness.counted("partial")).toBe(0);
    }));

  it("says that its port is taken, and takes it once it is free", () =>
    running({}, async ({ harness, driver, peer, port }) => {
      const holder = createSocket("udp4");
      holder.bind(port, HOST);
      await once(holder, "listening");
      await driver.start();
      await until(() => harness.state() === "down", "down");
      expect(harness.states.at(-1)?.detail).toMatch(/another program listens there already/);
      await closed(holder);
      await advanceUntil(harness, () => harness.state() === "up", "up");
      await send(peer, "5", port);
      await until(() => harness.readings().length === 1, "a reading");
    }));

  it("refuses to write without a destination, and says which option is missing", () =>
    running({}, async ({ harness, driver }) => {
      await driver.start();
      await until(() => harness.state() === "up", "up");
      await expect(driver.write?.({ target: "", payload: Buffer.from("x") })).rejects.toThrow(
        /without send_to/,
      );
    }));

  it("receives what is sent to a multicast group on loopback", () =>
    running(
      { host: "0.0.0.0", multicast: "239.255.77.77", interface: HOST },
      async ({ harness, driver, peer, port }) => {
        await driver.start();
        await until(() => harness.state() === "up", "up");
        peer.setMulticastInterface(HOST);
        peer.setMulticastLoopback(true);
        await new Promise((resolve) => peer.send("8", port, "239.255.77.77", resolve));
        await until(() => harness.readings().length === 1, "the datagram");
      },
    ));
});
