// Idle memory: ours with a serial line and MQTT loaded, in a plain room, beside the bare script.

import { createPty } from "#test/drivers/pty.ts";
import { startHomeserver } from "#test/homeserver/homeserver.ts";
import { which } from "../../servers/child.ts";
import { atMost, type BenchRow, median, missing } from "../row.ts";
import {
  type Contestant,
  memoryOf,
  pause,
  type Stage,
  setStage,
  startOurs,
  startPeer,
  until,
} from "./stage.ts";

const IDLE_MS = 15_000;
const GOAL = 0.9;

const measure = async (
  contestant: Contestant,
  ready: () => boolean,
): Promise<{ rss: number; pss: number }> => {
  await until("a contestant to be ready", ready);
  await pause(IDLE_MS);
  const memory = memoryOf(contestant.child.pid ?? 0);
  await contestant.stop();
  return memory;
};

const subscribed =
  ({ broker }: Stage, before: number): (() => boolean) =>
  () =>
    broker.log().split("Sending SUBACK").length - 1 > before;

export const memoryRows = async (mosquitto: string, rounds: number): Promise<BenchRow[]> => {
  const socat = which("socat");
  if (socat === null)
    return [missing("idle RSS", "MB", "mqtt + one PUT per message", `<= ${GOAL}`, "socat is missing")];
  const server = await startHomeserver();
  const stage = await setStage(server, mosquitto);
  const pty = await createPty(socat);
  await pty.plugIn();
  const drivers = `  line: { type: serial, path: ${pty.path}, framing: { type: lines } }`;
  const found = {
    ours: { rss: [] as number[], pss: [] as number[] },
    bare: { rss: [] as number[], pss: [] as number[] },
  };
  for (let round = 0; round < rounds; round += 1) {
    const before = stage.broker.log().split("Sending SUBACK").length - 1;
    const ours = await measure(startOurs(stage, { batchAge: "1s", drivers }), subscribed(stage, before));
    const script = startPeer(stage, "mqtt-bare.mjs");
    const bare = await measure(script, () => script.output().includes("READY"));
    found.ours.rss.push(ours.rss / 1e6);
    found.ours.pss.push(ours.pss / 1e6);
    found.bare.rss.push(bare.rss / 1e6);
    found.bare.pss.push(bare.pss / 1e6);
  }
  await pty.dispose();
  await stage.dispose();
  await server.stop();
  const peer = "mqtt.js + one PUT per message";
  const row = (name: string, key: "rss" | "pss"): BenchRow =>
    atMost({
      name,
      unit: "MB",
      value: median(found.ours[key]),
      peer,
      peerValue: median(found.bare[key]),
      goal: GOAL,
    });
  return [
    row("idle RSS, serial + MQTT loaded, plain room", "rss"),
    row("idle PSS, serial + MQTT loaded, plain room", "pss"),
  ];
};
