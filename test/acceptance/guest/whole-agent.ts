// Runs in the guest of scripts/gpio-vm.ts: the loopback homeserver, and the agent's bundle as a process of its own, on a real kernel's GPIO chip.
// test/acceptance/gpio.test.ts judges what is reported.
import { spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { parseTelemetry, type ReceivedReading } from "#agent/telemetry/index.ts";
import { DOOR, PUMP, pull, voltage } from "#test/drivers/gpio/guest/chip.ts";
import { result, say } from "#test/drivers/gpio/guest/report.ts";
import { startHomeserver } from "#test/homeserver/homeserver.ts";

const [, , bundle = ""] = process.argv;
const EDGES = 10;

/** The emulator of a machine that does much else takes a minute for what takes a board a second. */
const PATIENCE_MS = 200_000;

const until = async (condition: () => boolean, limitMs = PATIENCE_MS): Promise<boolean> => {
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
const agent = spawn(process.execPath, [bundle, "--config", "/tmp/petrel.yaml", "run"], {
  stdio: ["ignore", "inherit", "inherit"],
});

const ownRooms = (): string[] => [...server.world.rooms.keys()];
const readings = (): ReceivedReading[] =>
  ownRooms()
    .flatMap((room) => server.events(room))
    .filter(({ type }) => type === "dev.petrel.telemetry")
    .flatMap(({ content }) => [...parseTelemetry(content).readings]);
const doors = (): ReceivedReading[] => readings().filter(({ name }) => name === "door");
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
let within = 0;
for (let index = 0; index < EDGES; index += 1) {
  const before = Date.now();
  pull(DOOR, index % 2 === 0 ? 1 : 0);
  const after = Date.now();
  await until(() => doors().length >= index + 2);
  const at = doors().at(-1)?.timeMs ?? 0;
  say(`edge ${index}: ${at - before} ms after the change began, ${at - after} after it ended`);
  // The wall clock and the monotonic one are read some microseconds apart, and both are rounded to milliseconds.
  if (at >= before - 2 && at <= after + 2) within += 1;
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
agent.kill("SIGKILL");
const safe = await until(() => voltage(PUMP) === 0);
result("output", { before: at, answered, reply: replies()[0], on, safe });
await server.stop();
process.exit(0);
