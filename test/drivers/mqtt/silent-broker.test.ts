// Brokers that misbehave: one that accepts and then says nothing, one that refuses a subscription, one that is none.
import { createServer, type Server, type Socket } from "node:net";
import { expect, it } from "vitest";
import { broker } from "#drivers/broker.ts";
import type { Driver } from "#drivers/driver.ts";
import { mqtt } from "#drivers/mqtt.ts";
import { advanceUntil, createHarness, type Harness, until } from "../harness.ts";
import { freePort } from "./mosquitto.ts";
import { mqttOptions } from "./stage.ts";

/** CONNACK, accepted, no session (MQTT 3.1.1 section 3.2). */
const CONNACK = Uint8Array.of(0x20, 2, 0, 0);

const listen = (server: Server): Promise<number> =>
  new Promise((resolve) =>
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      resolve(typeof address === "object" && address !== null ? address.port : 0);
    }),
  );

interface Scene {
  readonly harness: Harness;
  readonly driver: Driver;
  readonly sockets: Socket[];
}

/** A server that answers the first bytes of a connection with `answer`, and nothing after that. */
const withServer = async (answer: Uint8Array, play: (scene: Scene) => Promise<void>): Promise<void> => {
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    sockets.push(socket);
    socket.on("error", () => undefined);
    socket.once("data", () => socket.write(answer));
  });
  const port = await listen(server);
  const harness = createHarness();
  const driver = mqtt.create("mqtt", mqttOptions(port, { subscriptions: [] }), harness.context);
  await driver.start();
  try {
    await play({ harness, driver, sockets });
  } finally {
    const stopping = driver.stop();
    for (const socket of sockets) socket.destroy();
    await stopping;
    await new Promise((resolve) => server.close(resolve));
  }
};

const request = { target: "home/relay/set", payload: Buffer.from("on"), qos: 1 } as const;

it("rejects a write whose connection is lost before its acknowledgement, and says that nobody knows", () =>
  withServer(CONNACK, async ({ harness, driver, sockets }) => {
    await until(() => harness.state() === "up", "up");
    const writing = expect(driver.write?.(request)).rejects.toThrow("may or may not have arrived");
    sockets[0]?.destroy();
    await writing;
  }));

it("rejects a write that is not acknowledged in time", () =>
  withServer(CONNACK, async ({ harness, driver }) => {
    await until(() => harness.state() === "up", "up");
    const writing = expect(driver.write?.(request)).rejects.toThrow("no acknowledgement within 15 s");
    await until(() => harness.timers.pending().length > 0, "the write to wait");
    harness.timers.advance(15_000);
    await writing;
  }));

it("refuses more writes than it can wait for, instead of queueing them", () =>
  withServer(CONNACK, async ({ harness, driver }) => {
    await until(() => harness.state() === "up", "up");
    const writes = Array.from({ length: 65 }, () => Promise.resolve(driver.write?.(request)));
    const settled = Promise.allSettled(writes);
    await expect(writes.at(-1)).rejects.toMatchObject({ code: "BUSY" });
    harness.timers.advance(15_000);
    expect((await settled).filter(({ status }) => status === "rejected")).toHaveLength(65);
  }));

it("gives up a server that speaks no MQTT, and tries again later", () =>
  withServer(Buffer.from("HTTP/1.1 400 Bad Request\r\n\r\n"), async ({ harness }) => {
    await until(() => harness.state() === "down", "down");
    expect(harness.timers.pending()).toHaveLength(1);
  }));

it("says which subscription a broker refused", async () => {
  const port = await freePort();
  const users = [{ name: "shed", password: "s3cret", subscribe: ["shed/#"] }];
  const stage = createHarness();
  const site = broker.create("site", broker.schema.parse({ port, users }), stage.context);
  await site.start();
  await until(() => stage.state() === "up", "the broker to listen");
  const harness = createHarness();
  const options = {
    username: "shed",
    password: "s3cret",
    subscriptions: [{ filter: "shed/+" }, { filter: "house/#" }],
  };
  const driver = mqtt.create("mqtt", mqttOptions(port, options), harness.context);
  await driver.start();
  await advanceUntil(harness, () => harness.state() === "down", "down");
  expect(harness.states.at(-1)?.detail).toContain("the broker refused the subscription to house/#");
  await driver.stop();
  await site.stop();
});
