// A long backlog drained by what ships: readings of the trace put into the agent's store, 800 a chunk (80/s, `flush: 10s`), then the agent started against a loopback
// homeserver that limits as Synapse does by default (0.2 events/s, 10 at once), in real time, while 80 readings/s come in and an alarm is raised every two
// minutes. Until the first 24 hours of it have come, until all has; its memory meanwhile, beside what it was idle. Alone: `node scripts/bench/delivery/drain.ts 100000`.
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { MIGRATIONS } from "#agent/agent.ts";
import { openJournal } from "#agent/journal/journal.ts";
import { readKeyFile } from "#agent/store/key-file.ts";
import { openStore } from "#agent/store/open.ts";
import type { StampedReading } from "#agent/telemetry/reading.ts";
import { runtime } from "#test/agent/store/runtime.ts";
import { pause } from "../main/stage.ts";
import { atMost, type BenchRow } from "../row.ts";
import { openSite, SEED, type Site } from "./site.ts";
import { trace } from "./trace.ts";

const CHUNK = 800;
const DAY_READINGS = 86_400 * 80;
const ALARM_EVERY_MS = 120_000;
const IDLE_MS = 20_000;
const LIMIT_MS = 3_600_000;
const LOOK_MS = 250;

const residentMb = (pid: number): number =>
  Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0) / 1024;

/** A day and more of the trace: an hour of it again and again, each time later. */
function* days(count: number): Generator<StampedReading> {
  const hour = [...trace(SEED, 3600)];
  for (let at = 0; at < count; at += 1) {
    const reading = hour[at % hour.length];
    const laterMs = Math.floor(at / hour.length) * 3_600_000;
    if (reading === undefined) return;
    yield { ...reading, timeMs: reading.timeMs + laterMs, monoMs: reading.monoMs + laterMs };
  }
}

const fill = async (folder: string, count: number): Promise<void> => {
  const key = readKeyFile(join(folder, "state/store.key"));
  const path = join(folder, "state/petrel.db");
  const store = await openStore({ path, key, migrations: MIGRATIONS, runtime });
  const policy = { bytesMax: 1e12, whenFull: "reject" } as const;
  const stream = randomBytes(9).toString("base64url");
  const journal = await openJournal(store, { id: "the boot of the outage" }, stream, policy);
  let readings: StampedReading[] = [];
  const write = async (): Promise<void> => {
    await journal.append({ driver: "udp", clock: "ntp", readings });
    readings = [];
  };
  for (const reading of days(count)) {
    readings.push(reading);
    if (readings.length === CHUNK) await write();
  }
  if (readings.length > 0) await write();
  await store.close();
};

export interface DrainRun {
  readonly readings: number;
  /** Until so many had come: a day of them, or all where there are fewer. */
  readonly dayMs: number;
  readonly totalMs: number;
  readonly events: number;
  readonly refusals: number;
  readonly alarmsMs: readonly number[];
  readonly idleMb: number;
  readonly mostMb: number;
}

/** What of the backlog has come, by the events' own count. */
const arrived = (site: Site): { readonly readings: number; readonly events: number } => {
  const events = site.server
    .events(site.data)
    .filter(({ content, type }) => type === "dev.petrel.telemetry" && content["historical"] === true);
  return {
    events: events.length,
    readings: events.reduce((sum, { content }) => sum + Number(content["count"]), 0),
  };
};

const alarmsIn = (site: Site): number =>
  site.server.events(site.data).filter(({ type }) => type === "dev.petrel.alarm").length;

/** Raises an alarm and clears it, and says how long each took to reach the room. */
const alarms = async (site: Site, send: (value: number) => void, ended: () => boolean): Promise<number[]> => {
  const times: number[] = [];
  for (let value = 1; !ended(); value = 1 - value) {
    const [before, began] = [alarmsIn(site), performance.now()];
    send(value);
    while (alarmsIn(site) === before && !ended()) await pause(LOOK_MS);
    if (!ended()) times.push(performance.now() - began);
    for (let waited = 0; waited < ALARM_EVERY_MS && !ended(); waited += LOOK_MS) await pause(LOOK_MS);
  }
  return times;
};

const CONFIG = `delivery: { flush: { default: 10s }, journal: { max_bytes: 1GiB } }
channels: { "bench/alarm": { alarm: { above: 0.5 } } }`;

const idleMb = async (site: Site): Promise<number> => {
  const agent = await site.start();
  await pause(IDLE_MS);
  const idle = residentMb(agent.child.pid ?? 0);
  await agent.stop();
  return idle;
};

export const measureDrain = async (count: number, program?: string): Promise<DrainRun> => {
  const site = await openSite({ config: CONFIG, rateLimits: "default", program });
  try {
    const idle = await idleMb(site);
    await fill(site.folder, count);
    const began = performance.now();
    const agent = await site.start();
    const source = site.source();
    let [dayMs, most, ended] = [0, 0, false];
    const raised = alarms(
      site,
      (value) => source.send("bench/alarm", value),
      () => ended,
    );
    const elapsed = (): number => performance.now() - began;
    for (let come = 0; come < count && elapsed() < LIMIT_MS; ) {
      await pause(LOOK_MS);
      most = Math.max(most, residentMb(agent.child.pid ?? 0));
      come = arrived(site).readings;
      if (dayMs === 0 && come >= Math.min(count, DAY_READINGS)) dayMs = elapsed();
    }
    const totalMs = elapsed();
    ended = true;
    const alarmsMs = await raised;
    source.stop();
    await agent.stop();
    const { events, readings } = arrived(site);
    const refusals = site.server.requests().filter(({ status }) => status === 429).length;
    return { readings, dayMs, totalMs, events, refusals, alarmsMs, idleMb: idle, mostMb: most };
  } finally {
    await site.dispose();
  }
};

/** One event per reading, through the same limits: 10 at once, then one in five seconds. */
const singleMinutes = (readings: number): number => (readings - 10) / 0.2 / 60;

export const drainRows = async (count: number): Promise<BenchRow[]> => {
  const run = await measureDrain(count);
  const drained = Math.min(count, DAY_READINGS);
  const hours = (drained / 80 / 3600).toFixed(1);
  const slowest = Math.max(0, ...run.alarmsMs) / 1000;
  return [
    atMost({
      name: `minutes to drain ${hours} h of 80 readings/s through Synapse's default limits, alarms interleaved`,
      unit: "min",
      value: run.dayMs / 60_000,
      peer: `goal; one event per reading: ${Math.round(singleMinutes(drained))} min, computed`,
      peerValue: null,
      goal: (10 * drained) / DAY_READINGS,
      reason: `loopback with Synapse's limits, real time; ${run.events} events, ${run.refusals} refusals; slowest of ${run.alarmsMs.length} alarms ${slowest.toFixed(1)} s`,
    }),
    atMost({
      name: `memory while draining ${run.readings} readings, above idle`,
      unit: "MB",
      value: run.mostMb - run.idleMb,
      peer: `idle: ${run.idleMb.toFixed(1)} MB, at most ${run.mostMb.toFixed(1)} MB`,
      peerValue: null,
      goal: 15,
    }),
  ];
};

if (import.meta.main) {
  const [, , count = "100000", program] = process.argv;
  console.log(await measureDrain(Number(count), program));
}
