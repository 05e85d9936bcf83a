// A simulated drone that speaks MQTT to the broker inside the agent: publishes its signals, obeys its relay.
import mqtt from "mqtt";
import { droneAt } from "#drivers/simulator/drone.ts";
import type { Signal } from "#drivers/simulator/signal.ts";

const HOME = { lat: 47.3769, lon: 8.5417, alt: 408 };
const SEED = 7;
/** The cycle begins with the take-off: nobody wants to watch a drone stand still. */
const START_S = 20;
const EVERY_MS = 1000;

/** What the demo shows of the many signals. */
const PUBLISHED = [
  "battery/voltage",
  "battery/percent",
  "gps/lat",
  "gps/lon",
  "gps/alt",
  "attitude/roll",
  "link/rssi",
  "mode",
];

export interface Drone {
  /** What was published last, and when the relay was switched, as lines. */
  readonly lines: () => readonly string[];
  stop(): Promise<void>;
}

const SHOWN_LINES_MAX = 200;

export const startDrone = async (port: number): Promise<Drone> => {
  // The agent's broker may not listen yet: the client tries again until it does.
  const client = mqtt.connect(`mqtt://127.0.0.1:${port}`, { clientId: "demo-drone", reconnectPeriod: 200 });
  client.on("error", () => undefined);
  await new Promise<void>((resolve) => client.once("connect", () => resolve()));
  const lines: string[] = [];
  const note = (line: string): void => {
    lines.push(line);
    if (lines.length > SHOWN_LINES_MAX) lines.shift();
  };
  const publish = (topic: string, value: string): void => {
    note(`${topic}  ${value}`);
    client.publish(topic, value, { qos: 1 });
  };
  await client.subscribeAsync("drone/relay/set", { qos: 1 });
  client.on("message", (_topic, payload) => {
    note(`<- drone/relay/set  ${payload.toString()}`);
    publish("drone/relay", payload.toString());
  });
  const begun = performance.now();
  const tick = (): void => {
    const timeS = START_S + (performance.now() - begun) / 1000;
    const signals: Signal[] = droneAt(SEED, timeS, HOME).filter(({ name }) => PUBLISHED.includes(name));
    for (const { name, value } of signals) publish(`drone/${name}`, String(value));
  };
  tick();
  const timer = setInterval(tick, EVERY_MS);
  return {
    lines: () => lines,
    stop: async () => {
      clearInterval(timer);
      await client.endAsync(true);
    },
  };
};
