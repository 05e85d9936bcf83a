// Servers that are in trouble for hours, on a simulated clock: the whole agent takes a reading every half minute through it, and afterwards the room holds each
// once, in order, with no number missing. What it asked of the server meanwhile is bounded.
import { expect, onTestFinished } from "vitest";
import { parseTelemetry } from "#agent/telemetry/index.ts";
import type { HomeserverOptions } from "#test/homeserver/api.ts";
import type { FaultSpec } from "#test/homeserver/faults.ts";
import { type Homeserver, startHomeserver } from "#test/homeserver/homeserver.ts";
import { seeded } from "#test/support/seeded.ts";
import { type SimulatedTime, simulatedTime } from "#test/support/simulated-time.ts";
import { startTestAgent, type TestAgent } from "../whole-agent.ts";

export const HOUR_MS = 3_600_000;
const MINUTE_MS = 60_000;
const READING_EVERY_MS = 30_000;
const ANY = { path: /_matrix\/client/ };
const START_REAL_MS = 10_000;
const NEVER = Number.MAX_SAFE_INTEGER;

interface Field {
  readonly time: SimulatedTime;
  readonly server: Homeserver;
  readonly agent: TestAgent;
  /** How many readings were accepted so far; they are numbered from 0. */
  accepted(): number;
  endReadings(): void;
}

const isWaiting = ({
  fault,
  path,
  status,
}: {
  fault: string | null;
  path: string;
  status: number | null;
}): boolean => status === null && fault !== "stall" && !path.endsWith("/sync");

const openField = async (options: HomeserverOptions = {}): Promise<Field> => {
  const time = simulatedTime(Date.UTC(2026, 5, 1));
  const timers = { monoMs: time.clock.monoMs, after: time.timers.after };
  const server = await startHomeserver({ ...options, now: time.clock.wallMs, timers });
  onTestFinished(() => server.stop());
  time.watch(() => server.requests().some(isWaiting));
  // A start is disk and code as much as requests: it gets real seconds of its own before time may pass.
  let started = false;
  const patience = performance.now() + START_REAL_MS;
  time.watch(() => !started && performance.now() < patience);
  const { userId, password } = await server.addUser("drone");
  const agent = await startTestAgent({
    url: server.url,
    userId,
    password,
    clock: time.clock,
    timers: time.timers,
    statusEvery: "1h",
  });
  await time.until(() => agent.agent.upstream.rooms() !== null, HOUR_MS);
  started = true;
  let accepted = 0;
  let ended = false;
  const read = async (): Promise<void> => {
    if (ended) return;
    const { outcome } = await agent.probe.emit([{ name: "n", value: accepted }]);
    expect(outcome).toBe("durable");
    accepted += 1;
    time.timers.after(READING_EVERY_MS, () => void read());
  };
  await read();
  return {
    time,
    server,
    agent,
    accepted: () => accepted,
    endReadings: () => {
      ended = true;
    },
  };
};

const passing = async ({ time }: Field, ms: number): Promise<void> => {
  const end = time.clock.monoMs() + ms;
  await time.until(() => time.clock.monoMs() >= end, 2 * ms);
};

const telemetryIn = ({ agent, server }: Field) =>
  server
    .events(agent.agent.upstream.rooms()?.data.roomId ?? "")
    .filter(({ type }) => type === "dev.petrel.telemetry")
    .map(({ content }) => parseTelemetry(content));

/** Waits until everything that was accepted is there, and says what a reader of the room finds. */
const expectAll = async (field: Field, limitMs: number): Promise<void> => {
  field.endReadings();
  const found = (): number[] =>
    telemetryIn(field).flatMap(({ readings }) => readings.map(({ value }) => Number(value)));
  await field.time.until(() => new Set(found()).size >= field.accepted(), limitMs).catch(() => undefined);
  await passing(field, 5 * MINUTE_MS);
  const events = telemetryIn(field);
  expect(events.flatMap(({ lost }) => lost)).toEqual([]);
  const all = events.flatMap(({ readings, stream }) =>
    readings.map(({ seq, value }) => ({ stream, seq, value })),
  );
  // Live readings may go ahead of a backlog, in a stream of their own: order is that of each stream.
  for (const [stream, own] of Map.groupBy(all, (one) => one.stream)) {
    expect(
      own.map(({ seq }) => seq),
      `stream ${stream}`,
    ).toEqual(own.map((_, index) => index + (own[0]?.seq ?? 0)));
    const values = own.map(({ value }) => Number(value));
    expect(values, `stream ${stream}`).toEqual(values.toSorted((left, right) => left - right));
  }
  expect(found().toSorted((left, right) => left - right)).toEqual(
    Array.from({ length: field.accepted() }, (_, index) => index),
  );
};

const requestsSince = ({ server }: Field, at: number): number =>
  server.requests().filter((record) => record.at >= at).length;

/** One kind of trouble for so many hours. Sync and delivery, backed off, ask at most once a minute each; a few more are looks for events in doubt. */
export const checkTrouble = async (fault: FaultSpec, hours: number): Promise<void> => {
  const field = await openField();
  await passing(field, 5 * MINUTE_MS);
  const begun = field.time.clock.wallMs();
  field.server.fault({ ...fault, match: ANY, times: NEVER });
  await passing(field, hours * HOUR_MS);
  const asked = requestsSince(field, begun);
  expect(asked).toBeGreaterThan(hours * 10);
  expect(asked).toBeLessThan(hours * 60 * 4);
  field.server.clearFaults();
  await expectAll(field, HOUR_MS);
  expect(field.agent.fatal).toEqual([]);
};

const between = (random: () => number, from: number, until: number): number =>
  from + Math.floor(random() * (until - from + 1));

const troubleOf = (random: () => number): FaultSpec => {
  const kinds: FaultSpec[] = [
    { kind: "answer-lost" },
    { kind: "cut" },
    { kind: "refused" },
    { kind: "stall" },
    { kind: "html" },
    { kind: "status", status: [500, 502, 503, 504][between(random, 0, 3)] ?? 500 },
    { kind: "limited", retryAfterMs: between(random, 1, 90_000) },
    { kind: "limited", retryAfterMs: 5_000, header: false },
    { kind: "limited", retryAfterMs: 5_000, header: false, body: false },
  ];
  return {
    ...(kinds[between(random, 0, kinds.length - 1)] ?? { kind: "cut" }),
    times: between(random, 1, 12),
  };
};

/** Every few minutes another trouble, and now and then a restart of a server that forgets transaction IDs with it. */
export const checkMixture = async (seed: number, hours: number): Promise<void> => {
  const random = seeded(seed);
  const field = await openField({ profile: "dendrite" });
  const end = field.time.clock.monoMs() + hours * HOUR_MS;
  while (field.time.clock.monoMs() < end) {
    field.server.fault({ ...troubleOf(random), match: ANY });
    await passing(field, between(random, 1, 10) * MINUTE_MS);
    if (random() < 0.2) await field.server.restart();
  }
  field.server.clearFaults();
  await expectAll(field, HOUR_MS);
  expect(field.agent.fatal).toEqual([]);
};

/** No server for so many hours, then one with Synapse's default limits. */
export const checkOutage = async (hours: number): Promise<number> => {
  const field = await openField({ rateLimits: "default" });
  await passing(field, 5 * MINUTE_MS);
  await field.server.offline();
  await passing(field, hours * HOUR_MS);
  await field.server.online();
  const before = telemetryIn(field).length;
  await expectAll(field, HOUR_MS);
  expect(field.agent.fatal).toEqual([]);
  return telemetryIn(field).length - before;
};
