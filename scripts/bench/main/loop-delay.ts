// The longest delay of the agent's event loop while every fsync and fdatasync takes 500 ms, through three restarts of the WAL, with 92,160 B/s coming in by a
// pty from a sender that never blocks and counts what the pty refused. Nothing may be refused or lost.
import { spawn } from "node:child_process";
import { closeSync, constants, existsSync, openSync, readFileSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { fileURLToPath } from "node:url";
import { startHomeserver } from "#test/homeserver/homeserver.ts";
import { list } from "#test/peers/http.ts";
import { which } from "../../servers/child.ts";
import { buildShim } from "../../shims/build.ts";
import { atMost, type BenchRow, missing } from "../row.ts";
import { type Contestant, pause, type Stage, setStage, startOurs, until } from "./stage.ts";

const SYNC_MS = 500;
const BYTES_PER_SECOND = 92_160;
const LINE_BYTES = 96;
const TICK_MS = 10;
const RESTARTS = 3;
const SECONDS_MAX = 180;
const GOAL_MS = 50;
const NAME = `loop delay (max) while each sync takes ${SYNC_MS} ms, ${BYTES_PER_SECOND} B/s by pty, ${RESTARTS} restarts of the WAL`;

interface Sent {
  lines: number;
  refusedBytes: number;
}

const lineOf = (number: number): string => `${String(number).padStart(LINE_BYTES - 1, "0")}\n`;

/** Writes without ever blocking; a line that the pty takes only in part is finished first. */
const sendTick = (descriptor: number, sent: Sent, rest: { bytes: Buffer }, budget: number): void => {
  let left = budget;
  while (left > 0) {
    if (rest.bytes.length === 0) {
      rest.bytes = Buffer.from(lineOf(sent.lines));
      sent.lines += 1;
    }
    try {
      const written = writeSync(descriptor, rest.bytes);
      rest.bytes = rest.bytes.subarray(written);
      left -= written;
    } catch {
      sent.refusedBytes += left;
      return;
    }
  }
};

const restartsOf = (stage: Stage): number => {
  const database = new DatabaseSync(join(stage.folder, "state/petrel.db"), { readOnly: true });
  const row = database.prepare("SELECT count FROM store_restarts").get();
  database.close();
  return Number(row?.["count"] ?? 0);
};

const probe = async (agent: Contestant, file: string): Promise<{ maxMs: number; p99Ms: number }> => {
  rmSync(file, { force: true });
  agent.child.kill("SIGUSR2");
  await until("the probe's answer", () => existsSync(file));
  await pause(20);
  return JSON.parse(readFileSync(file, "utf8")) as { maxMs: number; p99Ms: number };
};

interface Run {
  readonly maxMs: number;
  readonly p99Ms: number;
  readonly sent: Sent;
  readonly arrived: number;
  readonly restarts: number;
  readonly seconds: number;
}

const flood = async (
  stage: Stage,
  port: string,
): Promise<{ sent: Sent; restarts: number; seconds: number }> => {
  const descriptor = openSync(port, constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
  const sent: Sent = { lines: 0, refusedBytes: 0 };
  const rest = { bytes: Buffer.alloc(0) };
  const before = restartsOf(stage);
  const begun = performance.now();
  let spent = 0;
  const timer = setInterval(() => {
    const due = Math.floor(((performance.now() - begun) / 1000) * BYTES_PER_SECOND);
    sendTick(descriptor, sent, rest, due - spent);
    spent = due;
  }, TICK_MS);
  let restarts = 0;
  while (restarts < RESTARTS && performance.now() - begun < SECONDS_MAX * 1000) {
    await pause(2000);
    restarts = restartsOf(stage) - before;
  }
  clearInterval(timer);
  while (rest.bytes.length > 0) {
    sendTick(descriptor, sent, rest, rest.bytes.length);
    if (rest.bytes.length === 0) break;
    await pause(TICK_MS);
  }
  closeSync(descriptor);
  return { sent, restarts, seconds: (performance.now() - begun) / 1000 };
};

const runOnce = async (mosquitto: string, socat: string): Promise<Run> => {
  const server = await startHomeserver();
  const stage = await setStage(server, mosquitto);
  const device = join(stage.folder, "device");
  const sender = join(stage.folder, "sender");
  const cable = spawn(socat, [`pty,rawer,link=${device}`, `pty,rawer,link=${sender}`], { stdio: "ignore" });
  await until("the ptys", () => existsSync(device) && existsSync(sender));
  const file = join(stage.folder, "probe.json");
  const agent = startOurs(stage, {
    batchAge: "1s",
    drivers: `  line: { type: serial, path: ${device}, baud: 921600, framing: { type: lines } }`,
    nodeArgs: ["--import", fileURLToPath(new URL("./loop-probe.ts", import.meta.url))],
    environment: {
      LD_PRELOAD: buildShim("disk", stage.folder),
      SHIM_FOLDER: join(stage.folder, "state"),
      SHIM_SYNC_MS: String(SYNC_MS),
      LOOP_PROBE_FILE: file,
    },
  });
  await until("the agent to read the line", () => stage.broker.log().includes("SUBACK to bench"), 60);
  await pause(3000);
  await probe(agent, file);
  const { restarts, seconds, sent } = await flood(stage, sender);
  const { maxMs, p99Ms } = await probe(agent, file);
  const arrived = (): number =>
    server
      .events(stage.room)
      .reduce((sum, { content }) => sum + list(content as never, "readings").length, 0);
  await until("every line in the room", () => arrived() >= sent.lines, 240).catch(() => undefined);
  const count = arrived();
  await agent.stop();
  cable.kill();
  await stage.dispose();
  await server.stop();
  return { maxMs, p99Ms, sent, arrived: count, restarts, seconds };
};

export const loopDelayRows = async (mosquitto: string): Promise<BenchRow[]> => {
  const socat = which("socat");
  if (socat === null) return [missing(NAME, "ms", "-", `<= ${GOAL_MS}`, "socat is missing")];
  const { arrived, maxMs, p99Ms, restarts, seconds, sent } = await runOnce(mosquitto, socat);
  const reason = `p99 ${p99Ms.toFixed(1)} ms; ${sent.lines} lines in ${seconds.toFixed(0)} s, ${sent.refusedBytes} bytes refused by the pty, ${sent.lines - arrived} lines missing in the room, ${restarts} restarts`;
  const row = atMost({
    name: NAME,
    unit: "ms",
    value: maxMs,
    peer: "-",
    peerValue: null,
    goal: GOAL_MS,
    reason,
  });
  const whole = sent.refusedBytes === 0 && arrived === sent.lines && restarts >= RESTARTS;
  return [{ ...row, met: row.met && whole }];
};
