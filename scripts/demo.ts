// `npm run demo`: the main job in front of your eyes. A simulated drone publishes to the MQTT broker inside the agent, the agent delivers to a Matrix
// homeserver, an operator reads along and commands. Everything on this machine, nothing to configure.
//   npm run demo [-- --synapse] [-- --once]
import { createInterface } from "node:readline";
import { Writable } from "node:stream";
import { startHomeserver } from "#test/homeserver/homeserver.ts";
import { type DemoAgent, startDemoAgent } from "./demo/agent-process.ts";
import { type Drone, startDrone } from "./demo/drone.ts";
import { type Operator, startOperator } from "./demo/operator.ts";
import { renderFrame } from "./demo/screen.ts";
import { freePort } from "./servers/child.ts";
import { startSynapse } from "./synapse.ts";

const HELP = `npm run demo -- [--synapse] [--once]
  --synapse  a real Synapse instead of the loopback homeserver (installed into a cache at first)
  --once     end after the first telemetry event and one answered command, without a picture`;

interface Server {
  readonly url: string;
  addUser(name: string): Promise<{
    readonly userId: string;
    readonly deviceId: string;
    readonly accessToken: string;
    readonly password: string;
  }>;
  stop(): Promise<void>;
}

interface Stage {
  readonly server: Server;
  readonly agent: DemoAgent;
  readonly drone: Drone;
  readonly operator: Operator;
  readonly operatorId: string;
}

const say = (line: string): void => console.log(`demo: ${line}`);

const startServer = (synapse: boolean): Promise<Server> =>
  synapse ? startSynapse({ progress: say }) : startHomeserver({ serverName: "loopback" });

const POLL_MS = 50;

/** Resolves when `condition` holds; a line a second says what is waited for. */
const until = async (what: string, condition: () => boolean, seconds: number): Promise<void> => {
  const begun = performance.now();
  let told = 1;
  while (!condition()) {
    const passed = (performance.now() - begun) / 1000;
    if (passed > seconds) throw new Error(`${what}: nothing after ${seconds} s`);
    if (passed > told) say(`${what} ... ${told++} s`);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
};

const setStage = async (synapse: boolean, cleanUp: (() => Promise<void>)[]): Promise<Stage> => {
  say(synapse ? "starting a real Synapse on loopback" : "starting the loopback homeserver");
  const server = await startServer(synapse);
  cleanUp.push(() => server.stop());
  const device = await server.addUser("drone");
  const alice = await server.addUser("alice");
  // Before the agent: its first look at her devices shall find them signed.
  const operator = await startOperator({ url: server.url, ...alice });
  cleanUp.push(() => operator.stop());
  const brokerPort = await freePort();
  say("starting the agent");
  const agent = startDemoAgent({
    url: server.url,
    user: device.userId,
    password: device.password,
    operator: alice.userId,
    brokerPort,
    batchAge: synapse ? "10s" : "2s",
  });
  cleanUp.push(() => agent.stop());
  const drone = await Promise.race([agent.ended, startDrone(brokerPort)]);
  cleanUp.push(() => drone.stop());
  await Promise.race([agent.ended, until("waiting for the agent's rooms", () => operator.ready(), 60)]);
  return { server, agent, drone, operator, operatorId: alice.userId };
};

const once = async ({ agent, operator, operatorId }: Stage): Promise<void> => {
  await Promise.race([
    agent.ended,
    until("waiting for telemetry", () => operator.view().telemetryEvents > 0, 60),
  ]);
  const { readings, telemetryEvents } = operator.view();
  say(`${telemetryEvents} telemetry event with ${readings} readings has arrived in the data room`);
  say(`${operatorId} says: relay on`);
  await operator.say("relay on");
  await Promise.race([agent.ended, until("waiting for the answer", () => operator.view().replies > 0, 60)]);
  for (const line of operator.view().talk) say(`  ${line}`);
  say("petrel audit room says of the data room:");
  for (const line of (await agent.verb("audit", "room")).trimEnd().split("\n")) say(`  ${line}`);
};

const footer = ({ operator }: Stage, line: string): string => {
  const { readings, telemetryEvents } = operator.view();
  return `data room: ${readings} readings in ${telemetryEvents} events    type a command (help, status, get drone/gps, relay on), Ctrl-C ends    > ${line}`;
};

const draw = (stage: Stage, title: string, line: string): void => {
  const { status, talk } = stage.operator.view();
  const height = Math.max(6, (process.stdout.rows ?? 30) - 5);
  const statusLines = status.split("\n");
  const talkRoom = Math.max(3, height - statusLines.length - 1);
  const right = [...statusLines, "", ...talk.slice(-talkRoom)];
  const frame = renderFrame(
    { title, left: stage.drone.lines(), right, footer: footer(stage, line) },
    process.stdout.columns ?? 100,
    process.stdout.rows ?? 30,
  );
  process.stdout.write(`\x1b[H${frame}\x1b[J`);
};

/** Swallows what readline would write: the line is drawn with the rest of the picture. */
const nowhere = (): Writable => new Writable({ write: (_chunk, _encoding, done) => done() });

/** Until Ctrl-C, or the end of standard input. */
const live = async (stage: Stage, title: string): Promise<void> => {
  const tty = process.stdout.isTTY === true && process.stdin.isTTY === true;
  const reader = createInterface({ input: process.stdin, output: nowhere(), terminal: tty });
  let said = 0;
  reader.on("line", (line) => {
    said += 1;
    void stage.operator.say(line);
  });
  if (tty) process.stdout.write("\x1b[2J");
  let shown = 0;
  const redraw = (): void => {
    if (tty) draw(stage, title, reader.line);
    const { talk } = stage.operator.view();
    for (; !tty && shown < talk.length; shown += 1) console.log(talk[shown]);
  };
  const timer = setInterval(redraw, 500);
  process.stdin.on("keypress", redraw);
  const ended = new Promise((resolve) => {
    process.once("SIGINT", resolve);
    process.once("SIGTERM", resolve);
    reader.once("SIGINT", resolve);
    reader.once("close", () =>
      resolve(tty ? null : until("waiting for answers", () => stage.operator.view().replies >= said, 20)),
    );
  });
  await Promise.race([stage.agent.ended, ended]);
  redraw();
  clearInterval(timer);
  process.stdin.off("keypress", redraw);
  reader.close();
  process.stdout.write("\n");
};

const options = new Set(process.argv.slice(2));
if (options.has("--help")) {
  console.log(HELP);
  process.exit(0);
}
const cleanUp: (() => Promise<void>)[] = [];
let code = 0;
try {
  const synapse = options.has("--synapse");
  const stage = await setStage(synapse, cleanUp);
  const title = `Petrel demo: drone → MQTT → agent → ${synapse ? "Synapse" : "loopback homeserver"} → operator`;
  await (options.has("--once") ? once(stage) : live(stage, title));
} catch (error) {
  console.error(`demo: ${error instanceof Error ? error.message : String(error)}`);
  code = 1;
}
if (options.has("--once") || code !== 0) say("stopping");
for (const step of cleanUp.reverse())
  await step().catch((error: unknown) => console.error(`demo: ${String(error)}`));
process.exitCode = code;
