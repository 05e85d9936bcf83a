// The embedded broker, with mosquitto's own clients as its clients.
import { spawn } from "node:child_process";
import { connect, createServer, type Server, type Socket } from "node:net";
import { expect, it } from "vitest";
import type { BrokerOptions } from "#drivers/broker/options.ts";
import { broker } from "#drivers/broker.ts";
import type { Driver, DriverContext } from "#drivers/driver.ts";
import { needs, which } from "#test/support/peers.ts";
import { testDriver } from "../conformance.ts";
import { advanceUntil, createHarness, type Harness, until } from "../harness.ts";
import { freePort, publish, run } from "../mqtt/mosquitto.ts";

const TOPIC = "home/kitchen/temperature";

const brokerOptions = (port: number, more: Record<string, unknown> = {}): BrokerOptions =>
  broker.schema.parse({
    port,
    subscriptions: [
      {
        filter: "home/+/temperature",
        readings: [{ name: "{topic[1]}/temperature", unit: "Cel", type: "number" }],
      },
    ],
    ...more,
  });

interface Stage {
  readonly port: number;
  readonly harness: Harness;
  readonly driver: Driver;
}

const onStage = async (
  more: Record<string, unknown>,
  play: (stage: Stage) => Promise<void>,
): Promise<void> => {
  const port = await freePort();
  const harness = createHarness();
  const driver = broker.create("site", brokerOptions(port, more), harness.context);
  await driver.start();
  await until(() => harness.state() === "up", "the broker to listen");
  try {
    await play({ port, harness, driver });
  } finally {
    harness.release();
    await driver.stop();
  }
};

const listening = (server: Server, port: number): Promise<void> =>
  new Promise((resolve) => server.listen(port, "127.0.0.1", resolve));

interface Subscriber {
  output(): string;
  readonly done: Promise<number | null>;
}

/** A subscriber by mosquitto_sub. Into a pipe it would keep its output until the end: stdbuf (coreutils) makes it line by line. */
const subscriber = (port: number, args: readonly string[]): Subscriber => {
  const line = ["-oL", "mosquitto_sub", "-h", "127.0.0.1", "-p", String(port), "-d", ...args];
  const child = spawn("stdbuf", line, { stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  const add = (chunk: Buffer): void => {
    output += chunk.toString();
  };
  child.stdout.on("data", add);
  child.stderr.on("data", add);
  const done = new Promise<number | null>((resolve) => child.once("close", resolve));
  return { output: () => output, done };
};

needs("mosquitto_pub", which("mosquitto_pub"), () => {
  testDriver("broker", {
    vanishes: false,
    writes: true,
    garbles: true,
    open: async () => {
      const port = await freePort();
      const say = (payload: string) => async (): Promise<void> => {
        // After a stop nobody listens, and the client says so.
        await publish(port, TOPIC, payload, ["-q", "0"]).catch(() => undefined);
      };
      return {
        create: (context: DriverContext) => broker.create("site", brokerOptions(port), context),
        produce: say("21.5"),
        garble: say("warm"),
        write: { target: "home/relay/set", payload: Buffer.from("on"), qos: 1 },
        dispose: async () => undefined,
      };
    },
  });

  for (const qos of ["1", "2"])
    it(`acknowledges a message of QoS ${qos} only once its readings are durable`, () =>
      onStage({}, async ({ port, harness }) => {
        harness.emitMode = "hold";
        let acknowledged = false;
        const publishing = publish(port, TOPIC, "21.5", ["-q", qos]).then(() => {
          acknowledged = true;
        });
        await until(() => harness.emitted.length === 1, "the message");
        // Another client makes a whole exchange meanwhile: an early acknowledgement would have come by now.
        await publish(port, "other", "x");
        expect(acknowledged).toBe(false);
        harness.release();
        await publishing;
        expect(harness.readings()).toMatchObject([{ name: "kitchen/temperature", value: 21.5, unit: "Cel" }]);
      }));

  it("passes a message on to other clients, retained ones later too", () =>
    onStage({}, async ({ port }) => {
      await publish(port, "home/door", "open", ["-q", "1", "-r"]);
      const reader = subscriber(port, ["-t", "home/#", "-C", "2", "-F", "%t %p %r", "-q", "1"]);
      await until(() => reader.output().includes("home/door open 1"), "the retained message");
      await publish(port, "home/window", "shut");
      expect(await reader.done).toBe(0);
      expect(reader.output()).toContain("home/window shut 0");
    }));

  it("publishes what is written to it", () =>
    onStage({}, async ({ port, driver }) => {
      const reader = subscriber(port, ["-t", "home/relay/#", "-C", "1", "-F", "%t %p %q", "-q", "1"]);
      await until(() => reader.output().includes("received SUBACK"), "the subscription");
      await driver.write?.({ target: "home/relay/set", payload: Buffer.from("on"), qos: 1 });
      expect(await reader.done).toBe(0);
      expect(reader.output()).toContain("home/relay/set on 1");
    }));

  it("keeps the order of one client's messages, although they become durable in another", () =>
    onStage({ subscriptions: [{ filter: "#" }] }, async ({ port, harness }) => {
      const reader = subscriber(port, ["-t", "n", "-C", "50", "-F", "<%p>", "-q", "1"]);
      await until(() => reader.output().includes("received SUBACK"), "the subscription");
      harness.emitMode = "hold";
      const lines = Array.from({ length: 50 }, (_, index) => `${index}\n`).join("");
      const publishing = run("mosquitto_pub", ["-p", String(port), "-t", "n", "-q", "1", "-l"], lines);
      await until(() => {
        harness.release();
        return harness.emitted.length === 50;
      }, "all messages");
      harness.release();
      await Promise.all([publishing, reader.done]);
      const order = [...reader.output().matchAll(/<(\d+)>/g)].map(([, value]) => Number(value));
      expect(order).toEqual(Array.from({ length: 50 }, (_, index) => index));
    }));

  const users = [
    { name: "shed", password: "s3cret", publish: ["shed/#"], subscribe: ["shed/set/+"] },
    { name: "boss", password: "hunter2" },
  ];

  it("lets nobody in without the right password, and never logs one", () =>
    onStage({ users }, async ({ port, harness }) => {
      await expect(publish(port, "shed/t", "1", ["-u", "shed", "-P", "wrong-one"])).rejects.toThrow(
        /not authori[sz]ed|bad user/i,
      );
      await expect(publish(port, "shed/t", "1", [])).rejects.toThrow(/not authori[sz]ed|bad user/i);
      await publish(port, "shed/t", "1", ["-u", "shed", "-P", "s3cret", "-q", "1"]);
      expect(harness.counted("denied")).toBe(2);
      expect(JSON.stringify(harness.logs)).not.toMatch(/wrong-one|s3cret/);
    }));

  it("drops what a user may not publish, acknowledged, counted and passed to nobody", () =>
    onStage({ users, subscriptions: [{ filter: "#" }] }, async ({ port, harness }) => {
      const boss = ["-u", "boss", "-P", "hunter2"];
      const reader = subscriber(port, ["-t", "#", "-C", "1", "-F", "%t", ...boss]);
      await until(() => reader.output().includes("received SUBACK"), "the subscription");
      await publish(port, "house/t", "1", ["-u", "shed", "-P", "s3cret", "-q", "1", "-r"]);
      await publish(port, "shed/t", "2", ["-u", "shed", "-P", "s3cret", "-q", "1"]);
      expect(await reader.done).toBe(0);
      expect(reader.output()).not.toContain("house/t");
      expect(harness.readings().map(({ name }) => name)).toEqual(["shed/t"]);
      expect(harness.counted("denied")).toBe(1);
    }));

  it("refuses a subscription that reaches beyond a user's rules", () =>
    onStage({ users }, async ({ port }) => {
      const ask = (filter: string) =>
        subscriber(port, ["-t", filter, "-u", "shed", "-P", "s3cret", "-W", "1", "-E"]);
      const refused = ask("#");
      await refused.done;
      expect(refused.output()).toMatch(/\b128\b|not valid|refused|denied|All subscription requests/i);
      const granted = ask("shed/set/+");
      await granted.done;
      expect(granted.output()).toMatch(/Subscribed \(mid: 1\): 0/);
    }));

  for (const qos of ["0", "1", "2"])
    it(`drops a huge message of QoS ${qos} without collecting it, acknowledged and counted`, () =>
      onStage({ packet_bytes_max: 1_000, subscriptions: [{ filter: "#" }] }, async ({ port, harness }) => {
        await run("mosquitto_pub", ["-p", String(port), "-t", TOPIC, "-q", qos, "-s"], "9".repeat(500_000));
        await until(() => harness.counted("oversize") === 1, "it to be counted");
        await publish(port, TOPIC, "21.5");
        expect(harness.readings().map(({ value }) => value)).toEqual([21.5]);
      }));

  it("refuses connections beyond its limit", () =>
    onStage({ clients_max: 2 }, async ({ port, harness }) => {
      const sockets: Socket[] = [connect(port, "127.0.0.1"), connect(port, "127.0.0.1")];
      await Promise.all(sockets.map((socket) => new Promise((resolve) => socket.once("connect", resolve))));
      await expect(publish(port, TOPIC, "1")).rejects.toThrow();
      expect(harness.counted("denied")).toBeGreaterThan(0);
      for (const socket of sockets) socket.destroy();
    }));

  it("leaves a message unacknowledged when it could not be stored, and takes it when the client sends it again", () =>
    onStage({}, async ({ port, harness }) => {
      harness.emitMode = "throw";
      await expect(publish(port, TOPIC, "21.5", ["-q", "1"])).rejects.toThrow("connection was lost");
      harness.emitMode = "durable";
      await publish(port, TOPIC, "22.5");
      expect(harness.readings().at(-1)?.value).toBe(22.5);
    }));
});

it("says that its port is taken, and listens once it is free", async () => {
  const port = await freePort();
  const squatter = createServer();
  await listening(squatter, port);
  const harness = createHarness();
  const driver = broker.create("site", brokerOptions(port), harness.context);
  await driver.start();
  await until(() => harness.state() === "down", "down");
  expect(harness.states.at(-1)?.detail).toContain("is taken by another program");
  await new Promise((resolve) => squatter.close(resolve));
  await advanceUntil(harness, () => harness.state() === "up", "up");
  await driver.stop();
});

it("refuses to be open to the network without users", () => {
  expect(broker.schema.safeParse({ host: "0.0.0.0" }).error?.issues[0]?.message).toContain(
    "must not be open to all",
  );
});
