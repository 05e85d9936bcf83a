// The whole agent on the loopback homeserver, with a clock that the test sets: what a board without a battery does between power-on and its first
// synchronisation, and what a reader of the room then sees.
import { expect, it, onTestFinished } from "vitest";
import { parseTelemetry, type ReceivedTelemetry } from "#agent/telemetry/index.ts";
import { startHomeserver } from "#test/homeserver/homeserver.ts";
import { realClock, startTestAgent, temporaryFolder } from "../whole-agent.ts";

const BUILD = Date.UTC(2026, 0, 1);
const HOUR = 3_600_000;

/** A clock that shows what a board shows: real time plus an error; another boot of the board begins its monotonic time anew. */
const boardClock = (errorMs: number) => {
  const began = realClock.monoMs();
  const board = { errorMs, flag: false };
  const clock = { wallMs: () => Date.now() + board.errorMs, monoMs: () => realClock.monoMs() - began + 5000 };
  return { board, clock, probes: { synchronised: () => board.flag, rtc: () => false } };
};

const site = async () => {
  const server = await startHomeserver({ profile: "synapse" });
  onTestFinished(() => server.stop());
  const { password, userId } = await server.addUser("drone");
  const folder = temporaryFolder();
  const telemetry = (roomId: string): ReceivedTelemetry[] =>
    server
      .events(roomId)
      .filter(({ type }) => type === "dev.petrel.telemetry")
      .map(({ content }) => parseTelemetry(content));
  const base = { url: server.url, userId, password, folder };
  return { server, telemetry, base };
};

it("gives readings of the offline start their times after the first synchronisation; a boot without one stays unset", async () => {
  const { base, server, telemetry } = await site();
  const first = boardClock(0);
  first.board.flag = true;
  const paired = await startTestAgent({ ...base, ...first, bootId: "boot-1" });
  await server.waitUntil(() => paired.agent.upstream.rooms() !== null);
  const data = paired.agent.upstream.rooms()?.data.roomId ?? "";
  await paired.stop();
  await server.offline();

  const never = boardClock(-Date.now());
  const second = await startTestAgent({ ...base, ...never, bootId: "boot-2" });
  await second.probe.emit([{ value: 1 }]);
  await second.stop();

  const later = boardClock(-5 * HOUR);
  const third = await startTestAgent({ ...base, ...later, bootId: "boot-3" });
  const takenMs = Date.now();
  await third.probe.emit([{ value: 2 }]);
  later.board.errorMs = 0;
  later.board.flag = true;
  await expect.poll(() => third.agent.snapshot().clock, { timeout: 20_000 }).toBe("ntp");
  await third.probe.emit([{ value: 3 }]);
  await server.online();
  third.agent.upstream.poke();
  await server.waitUntil(() => telemetry(data).length >= 3, 30_000);

  // What is live may leave ahead of the backlog: told apart by their values.
  const of = (value: number): ReceivedTelemetry | undefined =>
    telemetry(data).find(({ readings }) => readings.some((reading) => reading.value === value));
  const [unset, repaired, live] = [of(1), of(2), of(3)];
  expect(unset).toMatchObject({ bootSeq: 2, clock: "unset" });
  expect(unset?.readings[0]?.timeMs).toBeGreaterThanOrEqual(BUILD);
  expect(unset?.readings[0]?.timeMs).toBeLessThan(BUILD + HOUR);
  expect(repaired).toMatchObject({ bootSeq: 3, clock: "ntp" });
  expect(Math.abs((repaired?.offsetMs ?? 0) - 5 * HOUR)).toBeLessThan(1000);
  expect(Math.abs((repaired?.readings[0]?.timeMs ?? 0) - takenMs)).toBeLessThan(30_000);
  expect(live).toMatchObject({ bootSeq: 3, clock: "ntp", offsetMs: 0, readings: [{ value: 3 }] });
});

it("stamps by a receiver where there is no network, whatever the board's clock says", async () => {
  const { base, server, telemetry } = await site();
  const lost = boardClock(-Date.now());
  // The server's clock is away as far as the board's: only the receiver knows.
  const running = await startTestAgent({ ...base, ...lost, yaml: "time: { gps: gps/time }\n" });
  await server.waitUntil(() => running.agent.upstream.rooms() !== null);
  const data = running.agent.upstream.rooms()?.data.roomId ?? "";
  await running.probe.emit([{ name: "gps/time", value: Date.now() / 1000 }]);
  await running.probe.emit([{ value: 1 }]);
  await server.waitUntil(() => telemetry(data).some(({ clock }) => clock === "gps"), 30_000);
  const told = telemetry(data).find(({ clock }) => clock === "gps");
  expect(Math.abs((told?.readings[0]?.timeMs ?? 0) - Date.now())).toBeLessThan(60_000);
});
