// The kill loop: an outside publisher, a real mosquitto, the agent as a process of its own that is killed again and again, and a count on the server.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Running, startChild } from "#scripts/servers/child.ts";
import { createMosquitto, type Mosquitto } from "#test/drivers/mqtt/mosquitto.ts";
import { seeded } from "#test/support/seeded.ts";
import { planRounds, type Round, type Trouble } from "./plan.ts";
import { type PoweredDisk, poweredDisk } from "./power.ts";
import { type Publisher, startPublisher } from "./publisher.ts";
import { openTap, type Tap } from "./tap.ts";
import { SENDS, type Target } from "./target.ts";
import { judge, type Verdict } from "./verdict.ts";

export interface KillLoopOptions {
  readonly kills: number;
  readonly seed: number;
  readonly target: Target;
  readonly mosquitto: string;
  /** What starts the agent, before its own arguments: node and a file. */
  readonly program: readonly string[];
  readonly publishEveryMs?: number;
  /** The C compiler for the disk's shim: two kills in three are power cuts then. Absent: kills only. */
  readonly powerCuts?: string;
  readonly progress?: (line: string) => void;
}

export interface KillLoopResult extends Verdict {
  readonly kills: number;
  readonly seconds: number;
  /** Requests that met a fault of the server's, or whose answer was lost on the way. */
  readonly troubled: number;
  /** Rounds in which the moment never came, and the kill came anyway. */
  readonly impatient: number;
  readonly powerCuts: number;
  /** Bytes that the agent had written and a power cut took back. */
  readonly lostBytes: number;
}

const PUBLISH_EVERY_MS = 20;
/** A moment that does not come in this time does not come: the server is in trouble, or there is nothing to do. */
const PATIENCE_MS = 3_000;
/** The rest may take this long without any progress. */
const DRAIN_PATIENCE_MS = 60_000;
const POLL_MS = 50;
/** The store is made some 150 ms after the start of the process on a quick machine, the login comes soon after. */
const FIRST_BOOTS = 10;
const FIRST_BOOT_MIN_MS = 80;
const FIRST_BOOT_MAX_MS = 600;
const REPORT_EVERY_MS = 1_000;

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

interface Stage {
  readonly options: KillLoopOptions;
  readonly broker: Mosquitto;
  readonly brokerTap: Tap;
  readonly serverTap: Tap;
  readonly folder: string;
  readonly disk: PoweredDisk | null;
  start(): Running;
}

const yamlFor = (folder: string, target: Target, brokerTap: Tap, serverTap: Tap): string => `version: 1
device: { name: kill-loop, state: ${folder}/state }
homeserver: { url: "http://127.0.0.1:${serverTap.port}", user: "${target.device.userId}", password: { file: ${folder}/password } }
encryption: { enabled: ${target.encrypted} }
rooms: { data: { room: "${target.dataRoom}" }, people: { room: "${target.peopleRoom}" }, status_every: 1h }
drivers:
  broker:
    type: mqtt
    url: mqtt://127.0.0.1:${brokerTap.port}
    client_id: agent
    subscriptions: [{ filter: "sensors/#" }]
delivery: { batch: { max_age: 50ms, max_count: 50 } }
log: { format: json, level: warn }
`;

const setStage = async (options: KillLoopOptions): Promise<Stage> => {
  const { mosquitto, program, target } = options;
  // Only what it says at its start: a line per packet would fill the memory of a long run.
  const lines = ["allow_anonymous true", "max_queued_messages 0", "log_type none", "log_type information"];
  const broker = await createMosquitto(mosquitto, lines);
  await broker.start();
  const brokerTap = await openTap(broker.port);
  const serverTap = await openTap(target.port);
  const folder = mkdtempSync(join(tmpdir(), "petrel-kill-loop-"));
  const configFile = join(folder, "petrel.yaml");
  writeFileSync(join(folder, "password"), target.device.password, { mode: 0o600 });
  writeFileSync(configFile, yamlFor(folder, target, brokerTap, serverTap));
  const [node = process.execPath, ...file] = program;
  const disk =
    options.powerCuts === undefined
      ? null
      : poweredDisk(join(folder, "state"), folder, options.powerCuts, seeded(options.seed));
  const start = (): Running =>
    startChild(node, [...file, "--config", configFile, "run"], folder, disk?.environment);
  return { options, broker, brokerTap, serverTap, folder, disk, start };
};

const clearStage = async ({ broker, brokerTap, folder, serverTap }: Stage): Promise<void> => {
  await brokerTap.dispose();
  await serverTap.dispose();
  await broker.dispose();
  rmSync(folder, { recursive: true, force: true });
};

/** MQTT 3.1.1, 2.2.1: packet types in the high half of the first byte. */
const SUBACK = 0x90;
const PUBACK = 0x40;
const PUBACK_BYTES = 4;

/** Resolves true once `count` says that it was enough, false when time is up or the agent has ended. */
const seen = (
  tap: Tap,
  enough: (direction: "up" | "down", chunk: Buffer) => boolean,
  agent: Running,
  patienceMs: number,
): Promise<boolean> =>
  new Promise((resolve) => {
    const finish = (result: boolean): void => {
      unwatch();
      clearTimeout(timer);
      clearInterval(poll);
      resolve(result);
    };
    const unwatch = tap.watch((direction, chunk) => {
      if (enough(direction, chunk)) finish(true);
    });
    const timer = setTimeout(() => finish(false), patienceMs);
    const poll = setInterval(() => {
      if (!agent.isAlive()) finish(false);
    }, POLL_MS);
  });

/** Counts the packets or requests that an agent has sent. */
const reaching = (nth: number, count: (chunk: Buffer) => number) => {
  let sum = 0;
  return (direction: "up" | "down", chunk: Buffer): boolean => {
    if (direction === "up") sum += count(chunk);
    return sum >= nth;
  };
};

/** An agent that only listens sends nothing but acknowledgements; several may come in one chunk. */
const pubacks = (chunk: Buffer): number => (chunk[0] === PUBACK ? chunk.length / PUBACK_BYTES : 0);
const sends = (chunk: Buffer): number => (SENDS.test(chunk.toString("latin1", 0, 300)) ? 1 : 0);

const momentOf = async (stage: Stage, { moment }: Round, agent: Running): Promise<boolean> => {
  let came = true;
  if (moment.kind === "puback")
    came = await seen(stage.brokerTap, reaching(moment.nth, pubacks), agent, PATIENCE_MS);
  if (moment.kind === "put")
    came = await seen(stage.serverTap, reaching(moment.nth, sends), agent, PATIENCE_MS);
  if (moment.afterMs > 0) await pause(moment.afterMs);
  return came;
};

const makeTrouble = ({ options, serverTap }: Stage, trouble: Trouble): void => {
  const made = options.target.trouble(trouble);
  serverTap.loseAnswers(SENDS, made || trouble.kind !== "answers-lost" ? 0 : trouble.times);
};

/** An agent ends by our hand or not at all. */
const kill = async (agent: Running, when: string): Promise<void> => {
  if (!agent.isAlive()) throw new Error(`the agent ended by itself ${when}:\n${agent.tail()}`);
  await agent.kill();
};

interface Tally {
  round: number;
  impatient: number;
  powerCuts: number;
}

const killRounds = async (stage: Stage, rounds: readonly Round[], tally: Tally): Promise<void> => {
  for (const round of rounds) {
    makeTrouble(stage, round.trouble);
    if (round.restart) await stage.options.target.restart();
    const agent = stage.start();
    if (!(await momentOf(stage, round, agent))) tally.impatient += 1;
    await kill(agent, `in round ${tally.round} (${JSON.stringify(round)})`);
    if (stage.disk !== null && round.powerCut) tally.powerCuts += 1;
    if (round.powerCut) stage.disk?.cut();
    else stage.disk?.kept();
    tally.round += 1;
  }
};

/** The last agent runs in peace until the room holds every number, or until nothing comes any more. */
const drain = async (stage: Stage, publisher: Publisher): Promise<void> => {
  const { target } = stage.options;
  makeTrouble(stage, { kind: "none" });
  const agent = stage.start();
  let last = { count: -1, at: performance.now() };
  for (;;) {
    const numbers = new Set(
      (await target.found()).flatMap(({ readings }) => readings).map((one) => one.number),
    );
    if (numbers.size >= publisher.published()) break;
    if (numbers.size !== last.count) last = { count: numbers.size, at: performance.now() };
    if (performance.now() - last.at > DRAIN_PATIENCE_MS || !agent.isAlive()) {
      stage.options.progress?.(`nothing more comes; the agent says:\n${agent.tail()}`);
      break;
    }
    await pause(10 * POLL_MS);
  }
  // A second event of what is there already would come now.
  await pause(10 * POLL_MS);
  if (agent.isAlive()) await agent.stop();
};

/** Power cuts while the agent starts for the first time: its folder, its key, its store and its login are made. */
const firstBoots = async ({ disk, options, start }: Stage): Promise<void> => {
  if (disk === null) return;
  const random = seeded(options.seed);
  for (let boot = 0; boot < FIRST_BOOTS; boot += 1) {
    const agent = start();
    await pause(FIRST_BOOT_MIN_MS + random() * (FIRST_BOOT_MAX_MS - FIRST_BOOT_MIN_MS));
    await kill(agent, `at its first start (${boot})`);
    disk.cut();
  }
};

/** The first agent subscribes; from then on the broker keeps what it is not there to receive. */
const subscribe = async (stage: Stage): Promise<void> => {
  const agent = stage.start();
  const subscribed = (direction: "up" | "down", chunk: Buffer): boolean =>
    direction === "down" && chunk[0] === SUBACK;
  if (!(await seen(stage.brokerTap, subscribed, agent, DRAIN_PATIENCE_MS)))
    throw new Error(`the agent did not subscribe:\n${agent.tail()}`);
  await kill(agent, "before the first round");
  stage.disk?.kept();
};

const reporting = (stage: Stage, tally: Tally, publisher: Publisher, begun: number): (() => void) => {
  const { kills, progress } = stage.options;
  const timer = setInterval(() => {
    const seconds = (performance.now() - begun) / 1000;
    progress?.(
      `${tally.round}/${kills} kills, ${publisher.acknowledged.length} numbers acknowledged, ${seconds.toFixed(0)} s`,
    );
  }, REPORT_EVERY_MS);
  return () => clearInterval(timer);
};

/** Runs to the end whatever the verdict is; rejects only when the agent ended by itself, or a part could not be started. */
export const killLoop = async (options: KillLoopOptions): Promise<KillLoopResult> => {
  const stage = await setStage(options);
  const begun = performance.now();
  const tally: Tally = { round: 0, impatient: 0, powerCuts: 0 };
  let publisher: Publisher | null = null;
  try {
    await firstBoots(stage);
    await subscribe(stage);
    publisher = await startPublisher(stage.broker.port, options.publishEveryMs ?? PUBLISH_EVERY_MS);
    const endReports = reporting(stage, tally, publisher, begun);
    await killRounds(stage, planRounds(options.seed, options.kills), tally).finally(endReports);
    const killSeconds = (performance.now() - begun) / 1000;
    await publisher.finish();
    options.progress?.("the last agent runs in peace until everything is there ...");
    await drain(stage, publisher);
    const verdict = judge(await options.target.found(), publisher.acknowledged, publisher.published());
    return {
      kills: tally.round,
      seconds: killSeconds,
      troubled: options.target.troubled() + stage.serverTap.lost(),
      impatient: tally.impatient,
      powerCuts: tally.powerCuts,
      lostBytes: stage.disk?.lostBytes() ?? 0,
      ...verdict,
      problems: [...verdict.problems, ...(await options.target.leaks())],
    };
  } finally {
    await publisher?.dispose();
    await clearStage(stage);
  }
};
