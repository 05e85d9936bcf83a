// The account's session is another device's in the middle of a backlog (the old one was deleted, somebody logged in anew): what was accepted arrives once, an attempt of the old device whose answer was lost is found, and in an encrypted room nothing of the old device's keys is used.
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { MIGRATIONS } from "#agent/agent.ts";
import { createHttp } from "#agent/matrix/http.ts";
import { openSession } from "#agent/matrix/session.ts";
import type { JsonObject } from "#agent/matrix/types.ts";
import { openStore } from "#agent/store/open.ts";
import { parseTelemetry } from "#agent/telemetry/index.ts";
import { startEncryptedClient } from "#scripts/demo/encrypted-client.ts";
import type { Homeserver, TestUser } from "#test/homeserver/api.ts";
import { startHomeserver } from "#test/homeserver/homeserver.ts";
import { runtime } from "./store/runtime.ts";
import { startTestAgent, type TestAgent } from "./whole-agent.ts";

const COUNT = 600;

/** As `petrel login --new-device` does it. */
const becomeNewDevice = async (
  url: string,
  { password, userId: user }: TestUser,
  folder: string,
): Promise<string> => {
  const store = await openStore({
    path: join(folder, "petrel.db"),
    key: new Uint8Array(32).fill(9),
    migrations: MIGRATIONS,
    runtime,
  });
  const aborter = new AbortController();
  try {
    const session = await openSession({
      runtime,
      store,
      http: createHttp({ timers: runtime.timers, signal: aborter.signal }),
      homeserver: url,
      displayName: "Petrel drone-1",
      credentials: { kind: "password", user, password },
      freshLogin: "new-device",
    });
    return session.deviceId;
  } finally {
    aborter.abort();
    await store.close();
  }
};

const emitAll = async (running: TestAgent, from: number, count: number): Promise<void> => {
  for (let at = from; at < from + count; at += 50)
    await running.probe.emit(Array.from({ length: 50 }, (_, index) => ({ name: "n", value: at + index })));
};

const dataRoom = async (server: Homeserver, { agent }: TestAgent): Promise<string> => {
  await server.waitUntil(() => agent.upstream.rooms() !== null, 30_000);
  return agent.upstream.rooms()?.data.roomId ?? "";
};

/** One event reaches the room and its answer is lost, the others do not get there: a backlog whose oldest event is in doubt. */
const stopAmidBacklog = async (server: Homeserver, running: TestAgent, data: string): Promise<void> => {
  const path = new RegExp(`${encodeURIComponent(data)}/send/`);
  const lost = server.fault({ kind: "answer-lost", match: { method: "PUT", path } });
  const away = { kind: "refused", times: 100_000 } as const;
  server.fault({ ...away, match: { method: "PUT", path } });
  server.fault({
    ...away,
    match: { method: "GET", path: new RegExp(`${encodeURIComponent(data)}/messages`) },
  });
  await emitAll(running, 50, COUNT - 50);
  await server.waitUntil(() => lost.hits() === 1, 30_000);
  await running.stop();
  server.clearFaults();
};

const POLL_MS = 20;
/** The reader's client learns of things after the server: polled, with a generous bound. */
const until = async (condition: () => boolean): Promise<void> => {
  for (const end = performance.now() + 60_000; !condition() && performance.now() < end; )
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  expect(condition()).toBe(true);
};

const isJoined = (server: Homeserver, roomId: string, userId: string): boolean =>
  server
    .events(roomId)
    .some(({ content, stateKey }) => stateKey === userId && content["membership"] === "join");

const valuesOf = (contents: readonly JsonObject[]): unknown[] =>
  contents.flatMap((content) => parseTelemetry(content).readings.map(({ value }) => value));

const ALL = Array.from({ length: COUNT + 50 }, (_, index) => index);

it.each(["plain", "encrypted"] as const)(
  "a new device takes over a backlog in %s rooms: each reading once",
  { timeout: 120_000 },
  async (kind) => {
    const server = await startHomeserver();
    onTestFinished(() => server.stop());
    const device = await server.addUser("drone");
    const operator = await server.addUser("alice");
    const alice = await startEncryptedClient({ url: server.url, ...operator });
    onTestFinished(() => alice.stop());
    const { password, userId } = device;
    const yaml = kind === "plain" ? "" : "encryption: { enabled: true }";
    const options = { url: server.url, userId, password, operators: [operator.userId], yaml };
    const first = await startTestAgent(options);
    const data = await dataRoom(server, first);
    const isRead = (): readonly JsonObject[] =>
      alice.events
        .filter(({ event }) => event.roomId === data && event.type === "dev.petrel.telemetry")
        .map(({ event }) => event.content);
    await server.waitUntil(() => isJoined(server, data, operator.userId), 30_000);
    await emitAll(first, 0, 50);
    await until(() => valuesOf(isRead()).length === 50);
    const before = first.agent.upstream.client()?.deviceId ?? "";
    await stopAmidBacklog(server, first, data);

    server.revokeTokens(userId);
    const now = await becomeNewDevice(server.url, device, first.folder);
    expect(now).not.toBe(before);
    const second = await startTestAgent({ ...options, folder: first.folder });
    await dataRoom(server, second);
    await emitAll(second, COUNT, 50);
    await until(() => valuesOf(isRead()).length >= COUNT + 50);

    expect(valuesOf(isRead()).toSorted((a, b) => Number(a) - Number(b))).toEqual(ALL);
    expect(second.fatal).toEqual([]);
    const sent = server
      .events(data)
      .filter(({ sender, stateKey }) => sender === userId && (stateKey ?? null) === null);
    const wire = kind === "plain" ? "dev.petrel.telemetry" : "m.room.encrypted";
    expect(new Set(sent.map(({ type }) => type))).toContain(wire);
    const isOther = second.log.some(({ message }) => message.includes("another device than before"));
    expect(isOther).toBe(kind === "encrypted");
  },
);
