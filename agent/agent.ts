// The agent, put together: ingest and upstream over one store. What it needs of the outside comes in as parameters, so that a test runs it whole.

import type { Reading } from "#drivers/driver.ts";
import { alarmCommands } from "./alarms/commands.ts";
import { openAlarms } from "./alarms/open.ts";
import { alarmsMigrations } from "./alarms/tables.ts";
import { alarmViews } from "./alarms/view.ts";
import type { AlarmWatch } from "./alarms/watch.ts";
import { builtinCommands } from "./commands/builtin.ts";
import type { Command } from "./commands/command.ts";
import type { ActionContext } from "./commands/configured.ts";
import { configuredCommands } from "./commands/configured.ts";
import { commandsMigrations } from "./commands/tables.ts";
import type { Config } from "./config/config.ts";
import { revealSecrets, type SecretSource } from "./config/secrets.ts";
import { boardOf } from "./copies/board.ts";
import { copiesMigrations } from "./copies/tables.ts";
import { credentialsOf } from "./credentials.ts";
import { ByteBudget } from "./delivery/byte-budget.ts";
import { type Network, realNetwork } from "./delivery/network.ts";
import { journalPolicy } from "./delivery/policy.ts";
import { deliveryMigrations } from "./delivery/tables.ts";
import { encryptionMigrations } from "./encryption/tables.ts";
import { flushOf } from "./ingest/flush.ts";
import { Ingest } from "./ingest/ingest.ts";
import { type Journal, openJournal } from "./journal/journal.ts";
import { journalMigrations } from "./journal/tables.ts";
import { livenessMigrations } from "./liveness/tables.ts";
import { matrixMigrations } from "./matrix/migrations.ts";
import { LinkMeter } from "./metrics/link-meter.ts";
import { loginAgain } from "./relogin.ts";
import type { Snapshot } from "./rooms/status-card.ts";
import { roomsMigrations } from "./rooms/tables.ts";
import type { Runtime } from "./runtime.ts";
import type { Migrations, Store } from "./store/store.ts";
import { readingClientOf } from "./subscriptions/reading.ts";
import { startRepublishing } from "./subscriptions/republish.ts";
import { subscriptionsMigrations } from "./subscriptions/tables.ts";
import type { ClockWatch } from "./time/clock-watch.ts";
import { watchGps } from "./time/gps-source.ts";
import { NAMESPACE, Upstream, type UpstreamContext } from "./upstream.ts";
import { UpstreamKeeper } from "./upstream-keeper.ts";
import { VERSION } from "./version.ts";

/** Every table of the agent, in the order in which they may refer to each other. */
export const MIGRATIONS: readonly Migrations[] = [
  matrixMigrations,
  roomsMigrations,
  journalMigrations,
  deliveryMigrations,
  commandsMigrations,
  alarmsMigrations,
  encryptionMigrations,
  livenessMigrations,
  subscriptionsMigrations,
  copiesMigrations,
];

export interface AgentContext {
  readonly config: Config;
  readonly runtime: Runtime;
  readonly store: Store;
  readonly clock: ClockWatch;
  readonly secrets: SecretSource;
  /** The kernel's boot ID. */
  readonly bootId: string;
  readonly programs: Pick<ActionContext, "environment" | "killGroup">;
  /** The machine's interfaces; its own unless told. */
  readonly network?: Network;
  readonly onReadings?: (driver: string, readings: readonly Reading[]) => void;
  /** The agent cannot go on; `stop` is still to be called. */
  readonly fatal: (error: unknown) => void;
}

export interface Agent {
  /** The one of now: another takes its place when the agent had to log in again. */
  readonly upstream: Upstream;
  readonly ingest: Ingest;
  readonly journal: Journal;
  readonly meter: LinkMeter;
  readonly bytes: ByteBudget;
  snapshot(): Snapshot;
  stop(): Promise<void>;
}

const STREAM_NAME_BYTES = 9;

const openOwnJournal = async (
  { bootId, clock, config, runtime, store }: AgentContext,
  alarms: AlarmWatch,
): Promise<Journal> => {
  const streamName = Buffer.from(runtime.random(STREAM_NAME_BYTES)).toString("base64url");
  const clockKnown = (): boolean => clock.state() !== "unset";
  const wall = { wallMs: () => clock.nowMs(), monoMs: () => runtime.clock.monoMs() };
  const time = { clock: wall, timers: runtime.timers, clockKnown };
  const policy = journalPolicy(config.delivery.journal);
  const journal = await openJournal(store, { id: bootId }, streamName, policy, alarms.witness, time);
  journal.onAppended(() => alarms.committed());
  return journal;
};

const openByteBudget = (
  { clock, config, network = realNetwork, runtime, store }: AgentContext,
  rerouted: () => void,
): ByteBudget =>
  new ByteBudget({
    store,
    log: runtime.log,
    config: config.delivery.bytes,
    network,
    monoMs: () => runtime.clock.monoMs(),
    wallMs: () => (clock.state() === "unset" ? null : clock.nowMs()),
    rerouted,
  });

const snapshotOf = (
  context: AgentContext,
  ingest: Ingest,
  journal: Journal,
  alarms: AlarmWatch,
  startedMono: number,
  loginNeeded: string | null,
): Snapshot => {
  const monoMs = context.runtime.clock.monoMs();
  const readings = ingest.values.views(monoMs);
  const { lost, readings: waiting } = journal.depth();
  return {
    device: context.config.device.name,
    version: VERSION,
    state: "online",
    upMs: monoMs - startedMono,
    clock: context.clock.state(),
    asOfMs: context.clock.nowMs(),
    drivers: ingest.views(),
    channels: ingest.values.shown(readings),
    readings,
    waiting,
    lost,
    ...(loginNeeded === null ? {} : { loginNeeded }),
    alarms: alarmViews(alarms, context.runtime.clock.wallMs()),
  };
};

const makeUpstream = (
  context: AgentContext,
  journal: Journal,
  ingest: Ingest,
  alarms: AlarmWatch,
  snapshot: () => Snapshot,
  meter: LinkMeter,
  bytes: ByteBudget,
): UpstreamKeeper => {
  const { clock, config, programs, runtime, store } = context;
  const configured = configuredCommands(config.commands.list, {
    driver: (name) => ingest.driver(name),
    timers: runtime.timers,
    ...programs,
  });
  const commands = (): readonly Command[] => all;
  const all: readonly Command[] = [
    ...builtinCommands(snapshot, commands, config.commands.prefix),
    ...alarmCommands(alarms, () => runtime.clock.wallMs()),
    ...configured,
  ];
  const credentials = credentialsOf(config, context.secrets);
  const upstreamContext: Omit<UpstreamContext, "fatal"> = {
    config,
    runtime,
    store,
    journal,
    alarms,
    clock,
    credentials,
    meter,
    bytes,
    bootId: context.bootId,
    board: boardOf(config.device.board),
    snapshot,
    commands,
    link: (up) => {
      runtime.log.info(
        {},
        up ? "the homeserver is reachable" : "the homeserver is not reachable: readings are kept",
      );
      ingest.link(up);
    },
  };
  return new UpstreamKeeper({
    runtime,
    store,
    make: (fatal) => new Upstream({ ...upstreamContext, fatal }),
    login:
      credentials === null ? null : (signal) => loginAgain({ config, runtime, store, credentials }, signal),
    link: (up) => ingest.link(up),
    fatal: context.fatal,
  });
};

/** Starts the drivers at once and the upstream as soon as the homeserver lets it. Rejects only on what can never work (a missing secret). */
export const startAgent = async (context: AgentContext): Promise<Agent> => {
  const { clock, config, runtime, secrets, store } = context;
  const startedMono = runtime.clock.monoMs();
  const alarms = await openAlarms(context, NAMESPACE);
  const journal = await openOwnJournal(context, alarms);
  clock.onEpoch((epoch) => void journal.clockKnown(epoch.clock, epoch.line));
  const gps = watchGps(config.time.gps, (wallMs, monoMs) => clock.gpsTime(wallMs, monoMs));
  const ingest = new Ingest({
    runtime,
    journal,
    alarms,
    channels: config.channels,
    epoch: () => clock.epoch(),
    // What may raise an alarm never waits in memory.
    flush: flushOf(config.delivery.flush, (name) => "alarm" in (config.channels[name] ?? {})),
    reveal: (options, driver) => revealSecrets(secrets, options, `drivers.${driver}`),
    onReadings: (driver, readings) => {
      gps(readings);
      context.onReadings?.(driver, readings);
    },
  });
  const snapshot = (): Snapshot =>
    snapshotOf(context, ingest, journal, alarms, startedMono, keeper.loginNeeded());
  const meter = new LinkMeter(runtime.clock);
  const bytes = openByteBudget(context, () => keeper.upstream().poke());
  const keeper = makeUpstream(context, journal, ingest, alarms, snapshot, meter, bytes);
  keeper.start();
  store.failed.addEventListener("abort", () => context.fatal(store.failed.reason), { once: true });
  await ingest.start(config.drivers);
  const republisher = startRepublishing(
    {
      runtime,
      store,
      namespace: NAMESPACE,
      client: () => readingClientOf(keeper.upstream()),
      driver: (name) => ingest.driver(name),
    },
    config.subscriptions,
  );
  return {
    get upstream() {
      return keeper.upstream();
    },
    ingest,
    journal,
    meter,
    bytes,
    snapshot,
    stop: async () => {
      await republisher.stop();
      await ingest.stop();
      if (!store.failed.aborted) await journal.flush();
      alarms.stop();
      await keeper.stop();
      if (!store.failed.aborted) await bytes.stop();
    },
  };
};
