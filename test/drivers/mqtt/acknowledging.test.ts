// PUBACK and PUBREC wait for the disk, keep their order, and do not make messages wait for each other. The witness is the broker's own log.
import { expect, it } from "vitest";
import { DELIVERIES_HELD_MAX } from "#drivers/mqtt/limits.ts";
import { needs, which } from "#test/support/peers.ts";
import { until } from "../harness.ts";
import { publish, run } from "./mosquitto.ts";
import { logged, onStage, type Stage } from "./stage.ts";

const TOPIC = "home/kitchen/temperature";

const publishMany = ({ broker }: Stage, count: number, qos: string): Promise<string> =>
  run(
    "mosquitto_pub",
    ["-h", "127.0.0.1", "-p", String(broker.port), "-t", TOPIC, "-q", qos, "-l"],
    Array.from({ length: count }, (_, index) => `${index}\n`).join(""),
  );

/** Sends another packet and waits until the broker has logged it: an acknowledgement sent before would stand in the log by then. */
const laterPacket = async ({ broker, driver }: Stage): Promise<void> => {
  await driver.write?.({ target: "other", payload: Buffer.from("x"), qos: 0 });
  await until(() => logged(broker, /Received PUBLISH from petrel-test/).length === 1, "the later packet");
};

const midsOf = (lines: readonly string[]): number[] =>
  lines.map((line) =>
    Number(
      /Mid: (\d+)|m(\d+)/
        .exec(line)
        ?.slice(1)
        .find((part) => part !== undefined),
    ),
  );

needs("mosquitto", which("mosquitto"), (program) => {
  const config = ["allow_anonymous true", "max_inflight_messages 32"];

  for (const version of ["3.1.1", "5"] as const) {
    it(`sends PUBACK only once the readings are durable (${version})`, () =>
      onStage({ program, options: () => ({ version }) }, async (stage) => {
        await stage.up();
        stage.harness.emitMode = "hold";
        await publish(stage.broker.port, TOPIC, "21.5");
        await until(() => stage.harness.emitted.length === 1, "the message");
        await laterPacket(stage);
        expect(logged(stage.broker, /Received PUBACK from petrel-test/)).toEqual([]);
        stage.harness.release();
        await until(
          () => logged(stage.broker, /Received PUBACK from petrel-test/).length === 1,
          "the PUBACK",
        );
      }));

    it(`sends PUBREC only once the readings are durable, and ends the exchange (${version})`, () =>
      onStage(
        { program, options: () => ({ version, subscriptions: [{ filter: "home/#", qos: 2 }] }) },
        async (stage) => {
          await stage.up();
          stage.harness.emitMode = "hold";
          await publish(stage.broker.port, TOPIC, "21.5", ["-q", "2"]);
          await until(() => stage.harness.emitted.length === 1, "the message");
          await laterPacket(stage);
          expect(logged(stage.broker, /Received PUBREC from petrel-test/)).toEqual([]);
          stage.harness.release();
          await until(
            () => logged(stage.broker, /Received PUBCOMP from petrel-test/).length === 1,
            "the PUBCOMP",
          );
          expect(logged(stage.broker, /Received PUBREC from petrel-test/)).toHaveLength(1);
          expect(stage.harness.readings().map(({ value }) => value)).toEqual([21.5]);
        },
      ));

    it(`lets 32 messages share one disk sync, and acknowledges them in order (${version})`, () =>
      onStage({ program, config, options: () => ({ version }) }, async (stage) => {
        await stage.up();
        stage.harness.emitMode = "hold";
        await publishMany(stage, 40, "1");
        await until(
          () => stage.harness.emitted.length === 32,
          "32 messages before the first acknowledgement",
        );
        expect(stage.harness.readings().map(({ value }) => value)).toEqual(
          Array.from({ length: 32 }, (_, i) => i),
        );
        expect(logged(stage.broker, /Received PUBACK from petrel-test/)).toEqual([]);
        stage.harness.emitMode = "durable";
        stage.harness.release();
        const acks = (): string[] => logged(stage.broker, /Received PUBACK from petrel-test/);
        await until(() => acks().length === 40, "40 acknowledgements");
        const sent = midsOf(logged(stage.broker, /Sending PUBLISH to petrel-test/));
        expect(midsOf(acks())).toEqual(sent);
      }));
  }

  it("holds a bounded number of messages, although mosquitto sends more than its window", () =>
    onStage({ program }, async (stage) => {
      await stage.up();
      stage.harness.emitMode = "hold";
      await publishMany(stage, 600, "1");
      await until(() => stage.harness.emitted.length === 20, "the first window");
      stage.harness.release();
      await until(() => stage.harness.emitted.length === 20 + DELIVERIES_HELD_MAX, "what the bound allows");
      await laterPacket(stage);
      expect(stage.harness.emitted.length).toBe(20 + DELIVERIES_HELD_MAX);
      stage.harness.emitMode = "durable";
      stage.harness.release();
      await until(() => stage.harness.emitted.length === 600, "the rest");
      const values = stage.harness.readings().map(({ value }) => value);
      expect(values).toEqual(Array.from({ length: 600 }, (_, index) => index));
    }));

  it("leaves a message of QoS 1 with the broker when it could not be stored, and gets it again with DUP", () =>
    onStage({ program }, async (stage) => {
      await stage.up();
      stage.harness.emitMode = "throw";
      await publish(stage.broker.port, TOPIC, "21.5");
      await until(() => stage.harness.state() === "down", "the connection to be given up");
      stage.harness.emitMode = "durable";
      await until(() => {
        stage.harness.timers.advance(1_000);
        return stage.harness.emitted.length === 2;
      }, "the message again");
      const [first, again] = stage.harness.emitted;
      expect(first?.receipt?.maybeRepeated).toBe(false);
      expect(again?.receipt).toEqual({ key: first?.receipt?.key, maybeRepeated: true });
      await until(() => logged(stage.broker, /Received PUBACK from petrel-test/).length === 1, "the PUBACK");
    }));

  it("acknowledges what emit refuses and what is malformed, so that neither blocks the session", () =>
    onStage({ program }, async (stage) => {
      await stage.up();
      stage.harness.emitMode = "refuse";
      await publish(stage.broker.port, TOPIC, "21.5");
      await publish(stage.broker.port, TOPIC, "warm");
      await until(() => logged(stage.broker, /Received PUBACK from petrel-test/).length === 2, "two PUBACKs");
      expect(stage.harness.counted("refused")).toBe(1);
      expect(stage.harness.counted("malformed")).toBe(1);
    }));

  it("counts what is no JSON where a path is to be followed, shows a bounded sample of it, and goes on", () =>
    onStage(
      {
        program,
        options: () => ({ subscriptions: [{ filter: TOPIC, readings: [{ name: "t", from: "t" }] }] }),
      },
      async (stage) => {
        await stage.up();
        const broken = `{"t":21.5${"x".repeat(5000)}`;
        for (const payload of [broken, broken, '{"t":21.5}'])
          await publish(stage.broker.port, TOPIC, payload);
        await until(() => stage.harness.emitted.length === 1, "the one that is right");
        expect(stage.harness.readings()).toMatchObject([{ name: "t", value: 21.5 }]);
        expect(stage.harness.counted("malformed")).toBe(2);
        const samples = stage.harness.logs.filter(({ level }) => level === "warn");
        expect(samples).toHaveLength(1);
        expect(samples[0]?.message).toContain("expected JSON");
        const sample = String(samples[0]?.fields["sample"]);
        expect(sample).toBe(broken.slice(0, sample.length));
        expect(sample.length).toBeLessThan(1000);
      },
    ));

  it("acknowledges what is nearly durable when it is stopped, and takes nothing new", () =>
    onStage({ program }, async (stage) => {
      await stage.up();
      stage.harness.emitMode = "hold";
      await publish(stage.broker.port, TOPIC, "21.5");
      await until(() => stage.harness.emitted.length === 1, "the message");
      const stopping = stage.driver.stop();
      await publish(stage.broker.port, TOPIC, "22.5");
      stage.harness.release();
      await stopping;
      await until(
        () => logged(stage.broker, /Received DISCONNECT from petrel-test/).length === 1,
        "DISCONNECT",
      );
      expect(logged(stage.broker, /Received PUBACK from petrel-test/)).toHaveLength(1);
      expect(stage.harness.emitted).toHaveLength(1);
    }));
});
