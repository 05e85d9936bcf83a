// An alarm in encrypted rooms, raised while the server is away, by a process that is then killed with `kill -9`: alarm and reading were one transaction, so
// the next process tells it, once.
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { afterAll, beforeAll, expect, it } from "vitest";
import { parseTelemetry } from "#agent/telemetry/index.ts";
import { type EncryptedClient, startEncryptedClient } from "#scripts/demo/encrypted-client.ts";
import { makeSite, type Site } from "../cli/petrel.ts";

let site: Site;
let alice: EncryptedClient;
let port = 0;

const say = async (line: string): Promise<void> => {
  const socket = createSocket("udp4");
  await new Promise<void>((resolve, reject) =>
    socket.send(`${line}\n`, port, "127.0.0.1", (error) => (error === null ? resolve() : reject(error))),
  );
  socket.close();
};

beforeAll(async () => {
  const socket = createSocket("udp4").bind(0, "127.0.0.1");
  await once(socket, "listening");
  ({ port } = socket.address());
  socket.close();
  site = await makeSite();
  alice = await startEncryptedClient({ url: site.server.url, ...site.operator });
  site.configure({
    encrypted: true,
    rooms: `{ operators: ["${site.operator.userId}"], status_every: 60s }`,
    drivers: `{ line: { type: udp, port: ${port}, readings: [{ name: volts, type: number, unit: V }] } }`,
    more: "channels: { volts: { alarm: { below: 10.5, severity: critical } } }",
  });
});
afterAll(() => alice.stop());

const POLL_MS = 20;
const until = async (what: string, condition: () => boolean): Promise<void> => {
  for (const end = performance.now() + 60_000; !condition(); ) {
    if (performance.now() > end) throw new Error(`${what}: not within a minute`);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
};

const alarms = (): unknown[] =>
  alice.events.filter(({ event }) => event.type === "dev.petrel.alarm").map(({ event }) => event.content);

const messages = (): string[] =>
  alice.events
    .map(({ event }) => String(event.content["body"] ?? ""))
    .filter((body) => body.startsWith("🚨"));

const values = (): unknown[] =>
  alice.events
    .filter(({ event }) => event.type === "dev.petrel.telemetry")
    .flatMap(({ event }) => parseTelemetry(event.content).readings.map(({ value }) => value));

it("is delivered once after a restart, with its reading", { timeout: 120_000 }, async () => {
  const first = site.start(["run"]);
  await first.says(/the homeserver is reachable/);
  // A datagram before the socket is open is lost: said again until one has come.
  for (let told = 0; values().length === 0; told += 1) {
    await say("12.5");
    await new Promise((resolve) => setTimeout(resolve, POLL_MS * 5));
    if (told > 500) throw new Error("no reading came");
  }
  await site.server.offline();
  await first.says(/not reachable/);
  await say("9.5");
  await first.says(/alarm \S+ raised/);
  first.signal("SIGKILL");
  await first.ended;
  await site.server.online();
  expect(alarms()).toEqual([]);

  const second = site.start(["run"]);
  await until("the alarm", () => alarms().length > 0 && messages().length > 0 && values().includes(9.5));
  await say("9.4");
  await until("a reading after it", () => values().includes(9.4));
  expect(alarms()).toMatchObject([{ state: "raised", value: "9.5" }]);
  expect(messages()).toHaveLength(1);
  expect(values().filter((value) => value === 9.5)).toHaveLength(1);
  second.signal("SIGTERM");
  expect((await second.ended).code).toBe(0);
  const audit = await site.petrel(["audit", "room"]);
  expect(audit.stdout).toMatch(/^no gap, no duplicate: \d+ readings of 1 stream$/m);
  expect(audit.code).toBe(0);
});
