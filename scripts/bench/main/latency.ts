// From MQTT publish (QoS 1) to the event readable in the room: the median of single messages, each sent after the last one was seen. A reader that is plain
// HTTP waits in /sync for both contestants alike. Limits lifted; ours does not wait for a batch.
import mqtt from "mqtt";
import { startHomeserver } from "#test/homeserver/homeserver.ts";
import { at, call, isObject, list, text } from "#test/peers/http.ts";
import { startSynapse, synapseAvailable } from "../../synapse.ts";
import { atMost, type BenchRow, median, missing } from "../row.ts";
import {
  type BenchServer,
  type Contestant,
  type Stage,
  setStage,
  startOurs,
  startPeer,
  until,
} from "./stage.ts";

const MESSAGES = 30;
const BATCH_AGE = "0ms";

const CLIENT = "/_matrix/client/v3";

/** Waits in /sync until a value is in the room. A user of its own each time: a server may answer a first /sync out of its cache of some minutes. */
class Reader {
  readonly #stage: Stage;
  readonly #token: string;
  #since = "";

  private constructor(stage: Stage, token: string) {
    this.#stage = stage;
    this.#token = token;
  }

  static async join(stage: Stage): Promise<Reader> {
    const { device, room, server } = stage;
    const { accessToken: token, userId } = await server.addUser(`reader${Date.now()}`, { liftLimits: true });
    const path = `${CLIENT}/rooms/${encodeURIComponent(room)}`;
    await call(server.url, "POST", `${path}/invite`, {
      token: device.accessToken,
      body: { user_id: userId },
    });
    await call(server.url, "POST", `${path}/join`, { token, body: {} });
    const reader = new Reader(stage, token);
    await reader.#sync(0);
    return reader;
  }

  async #sync(timeoutMs: number): Promise<string> {
    const query = { timeout: timeoutMs, ...(this.#since === "" ? {} : { since: this.#since }) };
    const { json } = await call(this.#stage.server.url, "GET", `${CLIENT}/sync`, {
      token: this.#token,
      query,
    });
    this.#since = text(json, "next_batch");
    const rooms = at(json, "rooms", "join");
    const events = Object.values(isObject(rooms) ? rooms : {}).flatMap((room) =>
      list(room, "timeline", "events"),
    );
    return JSON.stringify(events);
  }

  async see(value: string): Promise<void> {
    for (let tries = 0; tries < 20; tries += 1) if ((await this.#sync(5000)).includes(value)) return;
    throw new Error(`bench: ${value} never came`);
  }
}

const measure = async (stage: Stage, contestant: Contestant, ready: () => boolean): Promise<number> => {
  await until("a contestant to be ready", ready);
  const publisher = await mqtt.connectAsync(`mqtt://127.0.0.1:${stage.broker.port}`);
  const reader = await Reader.join(stage);
  const times: number[] = [];
  for (let index = 0; index < MESSAGES; index += 1) {
    const value = `${process.hrtime.bigint()}`;
    const begun = performance.now();
    publisher.publish("sensors/latency", value, { qos: 1 });
    await reader.see(value.slice(0, 15));
    // The first ones warm up both sides.
    if (index >= MESSAGES / 3) times.push(performance.now() - begun);
  }
  await publisher.endAsync(true);
  await contestant.stop();
  return median(times);
};

const oneServer = async (
  server: BenchServer,
  name: string,
  goal: number,
  mosquitto: string,
  rounds: number,
): Promise<BenchRow> => {
  const stage = await setStage(server, mosquitto);
  const times = { ours: [] as number[], sdk: [] as number[] };
  for (let round = 0; round < rounds; round += 1) {
    const before = stage.broker.log().split("Sending SUBACK").length;
    const ours = startOurs(stage, { batchAge: BATCH_AGE });
    times.ours.push(
      await measure(stage, ours, () => stage.broker.log().split("Sending SUBACK").length > before),
    );
    const sdk = startPeer(stage, "mqtt-js-sdk.mjs");
    times.sdk.push(await measure(stage, sdk, () => sdk.output().includes("READY")));
  }
  await stage.dispose();
  return atMost({
    name: `MQTT publish to event readable, ${name} (batch age ${BATCH_AGE})`,
    unit: "ms",
    value: median(times.ours),
    peer: "matrix-js-sdk + mqtt.js",
    peerValue: median(times.sdk),
    goal,
  });
};

export const latencyRows = async (mosquitto: string, rounds: number): Promise<BenchRow[]> => {
  const loopback = await startHomeserver();
  const rows = [await oneServer(loopback, "loopback", 0.8, mosquitto, rounds)];
  await loopback.stop();
  if (synapseAvailable() === null)
    return [
      ...rows,
      missing(
        "MQTT publish to event readable, Synapse",
        "ms",
        "matrix-js-sdk + mqtt.js",
        "<= 1",
        "Synapse cannot be installed here",
      ),
    ];
  const synapse = await startSynapse({ liftLimits: true });
  rows.push(await oneServer(synapse, "Synapse", 1.0, mosquitto, rounds));
  await synapse.stop();
  return rows;
};
