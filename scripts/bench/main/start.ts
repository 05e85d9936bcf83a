// From the start of the process to the first event that the server accepted: a retained MQTT message waits at the broker, the loopback homeserver answers.

import { publish } from "#test/drivers/mqtt/mosquitto.ts";
import { startHomeserver } from "#test/homeserver/homeserver.ts";
import { atMost, type BenchRow, median } from "../row.ts";
import { type Contestant, setStage, startOurs, startPeer, until } from "./stage.ts";

const GOAL = 0.5;
const EVENT = /telemetry|org\.example\.reading/;

export const startRows = async (mosquitto: string, rounds: number): Promise<BenchRow[]> => {
  const server = await startHomeserver();
  const stage = await setStage(server, mosquitto);
  await publish(stage.broker.port, "sensors/retained", "21.5", ["-q", "1", "-r"]);
  const accepted = (): number => server.events(stage.room).filter(({ type }) => EVENT.test(type)).length;
  const measure = async (start: () => Contestant): Promise<number> => {
    const before = accepted();
    const begun = performance.now();
    const contestant = start();
    await until("the first event", () => accepted() > before).catch((error: unknown) => {
      throw new Error(`${String(error)}\n${contestant.output()}`);
    });
    const took = performance.now() - begun;
    await contestant.stop();
    return took;
  };
  const ours = (): Contestant => startOurs(stage, { batchAge: "1ms" });
  // Once beforehand: login and rooms belong to the installation, not to each start; the scripts are given theirs too.
  await measure(ours);
  const times = { ours: [] as number[], sdk: [] as number[], bare: [] as number[] };
  for (let round = 0; round < rounds; round += 1) {
    times.ours.push(await measure(ours));
    times.sdk.push(await measure(() => startPeer(stage, "mqtt-js-sdk.mjs")));
    times.bare.push(await measure(() => startPeer(stage, "mqtt-bare.mjs")));
  }
  await stage.dispose();
  await server.stop();
  return [
    atMost({
      name: "process start to the first event accepted (loopback)",
      unit: "ms",
      value: median(times.ours),
      peer: "matrix-js-sdk + mqtt.js",
      peerValue: median(times.sdk),
      goal: GOAL,
      reason: `the bare script: ${Math.round(median(times.bare))} ms`,
    }),
  ];
};
