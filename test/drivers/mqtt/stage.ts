// One broker, one driver, one recording context: the stage of most tests of the mqtt driver.
import type { Driver } from "#drivers/driver.ts";
import type { MqttOptions } from "#drivers/mqtt/options.ts";
import { mqtt } from "#drivers/mqtt.ts";
import { advanceUntil, createHarness, type Harness } from "../harness.ts";
import { createMosquitto, type Mosquitto } from "./mosquitto.ts";

export const mqttOptions = (port: number, more: Record<string, unknown> = {}): MqttOptions =>
  mqtt.schema.parse({
    url: `mqtt://127.0.0.1:${port}`,
    client_id: "petrel-test",
    subscriptions: [
      {
        filter: "home/+/temperature",
        readings: [{ name: "{topic[1]}/temperature", unit: "Cel", type: "number" }],
      },
    ],
    ...more,
  });

export interface Stage {
  readonly broker: Mosquitto;
  readonly harness: Harness;
  readonly driver: Driver;
  /** Starts the driver and waits until it is up. */
  up(): Promise<void>;
  /** The same with a new driver of the same options, as after a restart of the agent. */
  again(): Promise<void>;
}

export interface StageOptions {
  readonly program: string;
  readonly config?: readonly string[];
  readonly options?: (broker: Mosquitto) => Record<string, unknown>;
  /** Puts files into the broker's folder before it starts. */
  readonly prepare?: (folder: string) => void;
}

/** A started broker and a driver that is not started yet; both are gone afterwards. */
export const onStage = async (
  { program, config, options, prepare }: StageOptions,
  play: (stage: Stage) => Promise<void>,
): Promise<void> => {
  const broker = await createMosquitto(program, config);
  const harness = createHarness();
  prepare?.(broker.folder);
  await broker.start();
  const create = (): Driver =>
    mqtt.create("mqtt", mqttOptions(broker.port, options?.(broker)), harness.context);
  const drivers = [create()];
  const driver = drivers[0] ?? create();
  const start = async (started: Driver): Promise<void> => {
    await started.start();
    await advanceUntil(harness, () => harness.state() === "up", "the driver to be up");
  };
  const again = (): Promise<void> => {
    const next = create();
    drivers.push(next);
    return start(next);
  };
  try {
    await play({ broker, harness, driver, up: () => start(driver), again });
  } finally {
    harness.release();
    for (const started of drivers) await started.stop();
    await broker.dispose();
  }
};

/** How often a line of the broker's log says this of our client. */
export const logged = (broker: Mosquitto, what: RegExp): string[] =>
  broker
    .log()
    .split("\n")
    .filter((line) => what.test(line));
