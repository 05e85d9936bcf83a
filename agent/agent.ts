// The agent, put together: ingest and upstream over one store. What it needs of the outside comes in as parameters, so that a test runs it whole.

import type { Reading } from "#drivers/driver.ts";
import { builtinCommands } from "./commands/builtin.ts";
import type { Command } from "./commands/command.ts";
import type { ActionContext } from "./commands/configured.ts";
import { configuredCommands } from "./commands/configured.ts";
import { commandsMigrations } from "./commands/tables.ts";
import type { Config } from "./config/config.ts";
import { readSecret, revealSecrets, type SecretSource } from "./config/secrets.ts";
import { deliveryMigrations } from "./delivery/tables.ts";
import { encryptionMigrations } from "./encryption/tables.ts";
import { Ingest } from "./ingest/ingest.ts";
import { type Journal, openJournal } from "./journal/journal.ts";
import { journalMigrations } from "./journal/tables.ts";
import { livenessMigrations } from "./liveness/tables.ts";
import type { Credentials } from "./matrix/login.ts";
import { matrixMigrations } from "./matrix/migrations.ts";
import type { Snapshot } from "./rooms/status-card.ts";
import { roomsMigrations } from "./rooms/tables.ts";
import type { Runtime } from "./runtime.ts";
import type { Migrations, Store } from "./store/store.ts";
import type { ClockWatch } from "./time/clock-watch.ts";
import { watchGps } from "./time/gps-source.ts";
import { Upstream } from "./upstream.ts";
import { VERSION } from "./version.ts";

/** Every table of the agent, in the order in which they may refer to each other. */
export const MIGRATIONS: readonly Migrations[] = [
  matrixMigrations,
  roomsMigrations,
  journalMigrations,
  deliveryMigrations,
  commandsMigrations,
  encryptionMigrations,
  livenessMigrations,
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
  readonly onReadings?: (driver: string, readings: readonly Reading[]) => void;
  /** The agent cannot go on; `stop` is still to be called. */
  readonly fatal: (error: unknown) => void;
}

export interface Agent {
  readonly upstream: Upstream;
  readonly ingest: Ingest;
  snapshot(): Snapshot;
  stop(): Promise<void>;
}

const credentialsOf = ({ config, secrets }: AgentContext): Credentials | null => {
  const { password, token, user } = config.homeserver;
  if (password !== undefined)
    return { kind: "password", user, password: readSecret(secrets, password, "homeserver.password") };
  if (token !== undefined)
    return { kind: "access-token", accessToken: readSecret(secrets, token, "homeserver.token") };
  return null;
};

const STREAM_NAME_BYTES = 9;

const openOwnJournal = ({ bootId, config, runtime, store }: AgentContext): Promise<Journal> => {
  const { max_bytes: bytesMax, when_full: whenFull } = config.delivery.journal;
  const streamName = Buffer.from(runtime.random(STREAM_NAME_BYTES)).toString("base64url");
  return openJournal(store, { id: bootId }, streamName, { bytesMax, whenFull });
};

const snapshotOf = (
  context: AgentContext,
  ingest: Ingest,
  journal: Journal,
  startedMono: number,
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
  };
};

const startUpstream = (
  context: AgentContext,
  journal: Journal,
  ingest: Ingest,
  snapshot: () => Snapshot,
): Upstream => {
  const { clock, config, programs, runtime, store } = context;
  const configured = configuredCommands(config.commands.list, {
    driver: (name) => ingest.driver(name),
    timers: runtime.timers,
    ...programs,
  });
  const commands = (): readonly Command[] => all;
  const all: readonly Command[] = [
    ...builtinCommands(snapshot, commands, config.commands.prefix),
    ...configured,
  ];
  const upstream = new Upstream({
    config,
    runtime,
    store,
    journal,
    clock,
    credentials: credentialsOf(context),
    snapshot,
    commands,
    link: (up) => {
      runtime.log.info(
        {},
        up ? "the homeserver is reachable" : "the homeserver is not reachable: readings are kept",
      );
      ingest.link(up);
    },
    fatal: context.fatal,
  });
  upstream.start();
  return upstream;
};

/** Starts the drivers at once and the upstream as soon as the homeserver lets it. Rejects only on what can never work (a missing secret). */
export const startAgent = async (context: AgentContext): Promise<Agent> => {
  const { clock, config, runtime, secrets, store } = context;
  const startedMono = runtime.clock.monoMs();
  const journal = await openOwnJournal(context);
  clock.onEpoch((epoch) => void journal.clockKnown(epoch.clock, epoch.line));
  const gps = watchGps(config.time.gps, (wallMs, monoMs) => clock.gpsTime(wallMs, monoMs));
  const ingest = new Ingest({
    runtime,
    journal,
    channels: config.channels,
    epoch: () => clock.epoch(),
    reveal: (options, driver) => revealSecrets(secrets, options, `drivers.${driver}`),
    onReadings: (driver, readings) => {
      gps(readings);
      context.onReadings?.(driver, readings);
    },
  });
  const snapshot = (): Snapshot => snapshotOf(context, ingest, journal, startedMono);
  const upstream = startUpstream(context, journal, ingest, snapshot);
  store.failed.addEventListener("abort", () => context.fatal(store.failed.reason), { once: true });
  await ingest.start(config.drivers);
  return {
    upstream,
    ingest,
    snapshot,
    stop: async () => {
      await ingest.stop();
      await upstream.stop();
    },
  };
};
