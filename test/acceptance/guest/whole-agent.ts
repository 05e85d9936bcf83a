// Runs in the guest of scripts/gpio-vm.ts: the loopback homeserver, and the agent's bundle as a process of its own, on a real kernel's GPIO chip.
// test/acceptance/gpio.test.ts judges what is reported.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { parseTelemetry, type ReceivedReading, type ReceivedTelemetry } from "#agent/telemetry/index.ts";
import { DOOR, PUMP, pull, voltage } from "#test/drivers/gpio/guest/chip.ts";
import { result, say } from "#test/drivers/gpio/guest/report.ts";
import { startHomeserver } from "#test/homeserver/homeserver.ts";

const [, , bundle = ""] = process.argv;
const EDGES = 10;

const until = async (condition: () => boolean, limitMs = 60_000): Promise<boolean> => {
  const deadline = performance.now() + limitMs;
  while (!condition()) {
    if (performance.now() > deadline) return false;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  return true;
};

const server = await startHomeserver();
const device = await server.addUser("drone");
const alice = await server.addUser("alice");
writeFileSync("/tmp/password", device.password, { mode: 0o600 });
writeFileSync(
  "/tmp/petrel.yaml",
  `version: 1
device: { name: guest, state: /tmp/state }
homeserver: { url: "${server.url}", user: "${device.userId}", password: { file: /tmp/password } }
encryption: { enabled: false }
rooms: { operators: ["${alice.userId}"] }
drivers:
  pins:
    type: gpio
    inputs: [{ name: door, line: door }]
    outputs: [{ name: pump, line: pump }]
commands:
  list:
    pump: { args: { state: { one_of: ["on", "off"] } }, write: { driver: pins, target: pump, payload: "{state}" } }
delivery: { batch: { max_age: 200ms } }
log: { format: json, level: debug }
`,
);
// A clock that is right: the guest has the emulator's, and the loopback homeserver's Date agrees with it.
const startAgent = (): ChildProcess =>
  spawn(process.execPath, [bundle, "--config", "/tmp/petrel.yaml", "run"], {
    stdio: ["ignore", "inherit", "inherit"],
  });

const killed = async (child: ChildProcess): Promise<void> => {
  const gone = once(child, "exit");
  child.kill("SIGKILL");
  await gone;
};

let agent = startAgent();

const ownRooms = (): string[] => [...server.world.rooms.keys()];
const telemetry = (): ReceivedTelemetry[] =>
  ownRooms()
    .flatMap((room) => server.events(room))
    .filter(({ type }) => type === "dev.petrel.telemetry")
    .map(({ content }) => parseTelemetry(content));
const doors = (): ReceivedReading[] =>
  telemetry()
    .flatMap(({ readings }) => readings)
    .filter(({ name }) => name === "door");
const replies = (): string[] =>
  ownRooms()
    .flatMap((room) => server.events(room))
    .filter(
      ({ content, sender }) => sender === device.userId && JSON.stringify(content).includes("m.in_reply_to"),
    )
    .map(({ content }) => String(content["body"]));

if (!(await until(() => doors().length >= 1))) {
  say("the first value of the door did not come");
  process.exit(1);
}

/** The wall clock and the monotonic one are read some microseconds apart, and both are rounded to milliseconds. */
const ROUNDING_MS = 2;

let within = 0;
for (let index = 0; index < EDGES; index += 1) {
  const before = Date.now();
  pull(DOOR, index % 2 === 0 ? 1 : 0);
  const after = Date.now();
  await until(() => doors().length >= index + 2);
  const at = doors().at(-1)?.timeMs ?? 0;
  say(`edge ${index}: ${at - before} ms after the change began, ${at - after} after it ended`);
  if (at >= before - ROUNDING_MS && at <= after + ROUNDING_MS) within += 1;
}
result("edges", { values: doors().map(({ value }) => value), within });

const room =
  ownRooms().find((id) =>
    server.events(id).some(({ type, sender }) => type === "m.room.message" && sender === device.userId),
  ) ?? "";
const at = voltage(PUMP);
server.inject({
  roomId: room,
  sender: alice.userId,
  type: "m.room.message",
  content: { msgtype: "m.text", body: "pump on" },
});
const answered = await until(() => replies().length > 0);
const on = await until(() => voltage(PUMP) === 1);
await killed(agent);
const safe = await until(() => voltage(PUMP) === 0, 10_000);
result("output", { before: at, answered, reply: replies()[0], on, safe });

// Edges while the agent is killed. `flush` is "each": what a kill may cost is what was on its way from the kernel to the disk.
const KILLS = 2;
const EDGES_BEFORE_A_KILL = 100;
const EDGE_EVERY_MS = 100;
/** Stated is "at once"; on a host whose cores are taken the emulator's way from the kernel through gpiomon to the disk takes its time. */
const FLUSH_WINDOW_MS = 5000;

interface Edge {
  readonly level: boolean;
  readonly before: number;
  readonly after: number;
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** From the low level to the low level again. */
const pullForAWhile = async (): Promise<Edge[]> => {
  const edges: Edge[] = [];
  for (let index = 0; index < EDGES_BEFORE_A_KILL; index += 1) {
    const level = index % 2 === 0;
    const before = Date.now();
    pull(DOOR, level ? 1 : 0);
    edges.push({ level, before, after: Date.now() });
    await pause(EDGE_EVERY_MS);
  }
  return edges;
};

const matches = ({ after, before, level }: Edge, { timeMs, value }: ReceivedReading): boolean =>
  value === level && timeMs >= before - ROUNDING_MS && timeMs <= after + ROUNDING_MS;

/** What is owed after the kill of an agent that watched. */
const killedWhileWatching = async (): Promise<Edge[]> => {
  const startedAt = Date.now();
  agent = startAgent();
  // The first reading of each start is the level that it finds; from then on each edge is its business.
  await until(() => doors().some(({ timeMs }) => timeMs >= startedAt));
  const edges = await pullForAWhile();
  const killedAt = Date.now();
  await killed(agent);
  return edges.filter(({ after }) => after < killedAt - FLUSH_WINDOW_MS);
};

const owed: Edge[] = [];
for (let kill = 0; kill < KILLS; kill += 1) owed.push(...(await killedWhileWatching()));
agent = startAgent();
const missing = (): Edge[] => {
  const found = doors();
  return owed.filter((edge) => !found.some((reading) => matches(edge, reading)));
};
await until(() => missing().length === 0);
const numbers = telemetry().flatMap(({ readings, stream }) => readings.map(({ seq }) => `${stream} ${seq}`));
result("killed", {
  owed: owed.length,
  missing: missing(),
  doubled: numbers.length - new Set(numbers).size,
});
await killed(agent);
await server.stop();
process.exit(0);
