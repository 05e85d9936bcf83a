// What exists once the homeserver was reached, put together: sender, packer, status message, commands, liveness, sync, and encryption before them.

import type { AlarmWatch } from "./alarms/watch.ts";
import type { Command } from "./commands/command.ts";
import { CommandService } from "./commands/service.ts";
import type { Config } from "./config/config.ts";
import type { Copies } from "./copies/copies.ts";
import type { ByteBudget } from "./delivery/byte-budget.ts";
import { FilePacks } from "./delivery/file-pack.ts";
import { LaneKeeper } from "./delivery/lane-keeper.ts";
import { Packer } from "./delivery/packer.ts";
import { expiryOf } from "./delivery/policy.ts";
import type { Preparer } from "./delivery/prepare.ts";
import { RateMemory } from "./delivery/rate-memory.ts";
import { Sender, type SenderHooks } from "./delivery/sender.ts";
import { createUploads } from "./delivery/upload.ts";
import type { Engine } from "./encryption/engine.ts";
import { type Secured, secure, syncFilter } from "./encryption/secure.ts";
import { wasEncrypted } from "./encryption/tables.ts";
import type { Journal } from "./journal/journal.ts";
import { currentBoot } from "./journal/stream.ts";
import { Liveness } from "./liveness/liveness.ts";
import type { Http } from "./matrix/http.ts";
import type { Credentials } from "./matrix/login.ts";
import type { Session } from "./matrix/session.ts";
import { createSync, type Sync } from "./matrix/sync.ts";
import type { MatrixClient, SyncConsumer } from "./matrix/types.ts";
import type { LinkMeter } from "./metrics/link-meter.ts";
import { NAMESPACE } from "./namespace.ts";
import type { AgentRooms } from "./rooms/rooms.ts";
import type { Snapshot } from "./rooms/status-card.ts";
import { StatusMessage } from "./rooms/status-message.ts";
import type { Runtime } from "./runtime.ts";
import type { Store } from "./store/store.ts";
import type { ClockWatch } from "./time/clock-watch.ts";

export interface UpstreamContext {
  readonly config: Config;
  readonly runtime: Runtime;
  readonly store: Store;
  readonly journal: Journal;
  readonly alarms: AlarmWatch;
  readonly clock: ClockWatch;
  readonly credentials: Credentials | null;
  readonly meter: LinkMeter;
  readonly bytes: ByteBudget;
  /** The kernel's boot ID. */
  readonly bootId: string;
  /** What tells this board from another (copies/board.ts). */
  readonly board: string | null;
  readonly snapshot: () => Snapshot;
  readonly commands: () => readonly Command[];
  /** The homeserver is reachable, or not. */
  readonly link: (up: boolean) => void;
  /** Nothing more can be sent or received: a token that is no longer valid, a store that failed. */
  readonly fatal: (error: unknown) => void;
}

/** The way to the homeserver, as far as it is there already. */
export interface Way {
  readonly session: Session;
  readonly client: MatrixClient;
  readonly copies: Copies;
  readonly http: Http;
  readonly signal: AbortSignal;
  /** It is reachable, or not. */
  readonly link: (up: boolean) => void;
  readonly linkUp: () => boolean;
  /** Null until all is put together. */
  readonly sender: () => Sender | null;
}

/** Everything that exists once the homeserver was reached. */
export interface Connected {
  readonly client: MatrixClient;
  readonly rooms: AgentRooms;
  /** Null: encryption is not enabled. */
  readonly engine: Engine | null;
  readonly sender: Sender;
  readonly lanes: LaneKeeper;
  readonly packer: Packer;
  readonly status: StatusMessage;
  readonly liveness: Liveness;
  readonly commands: CommandService;
  readonly sync: Sync;
}

/** Encryption comes before the rooms: whoever is invited looks at our device, which must be signed by then. */
export const secureWay = (context: UpstreamContext, { client, sender }: Way): Promise<Secured> => {
  const { clock, config, credentials, fatal, runtime, store } = context;
  return secure(config.encryption, {
    client,
    store,
    runtime,
    nowMs: () => clock.nowMs(),
    password: credentials?.kind === "password" ? credentials.password : null,
    roomReady: (roomId) => sender()?.roomReady(roomId),
    wake: () => sender()?.wake(),
    fatal,
  });
};

const livenessOf = (
  { clock, config, runtime, store }: UpstreamContext,
  { client, linkUp }: Way,
  rooms: AgentRooms,
  status: StatusMessage,
  wake: () => void,
): Liveness => {
  const { name: device } = config.device;
  return new Liveness({
    client,
    store,
    runtime,
    clock,
    config: config.rooms.liveness,
    device,
    boot: store.read(currentBoot),
    namespace: NAMESPACE,
    dataRoom: rooms.data.roomId,
    peopleRoom: rooms.people.roomId,
    offlineCard: () => status.offlineCard(device, config.rooms.liveness.timeout),
    cardFired: () => void status.retell(),
    isUp: linkUp,
    followed: config.encryption.enabled,
    wasEncrypted: (roomId) => store.read((database) => wasEncrypted(database, roomId)),
    wake,
  });
};

const laneKeeper = (
  { clock, config, runtime, store }: UpstreamContext,
  { linkUp }: Way,
  peopleRoom: string,
  wake: () => void,
): LaneKeeper =>
  new LaneKeeper({
    store,
    runtime,
    config: config.delivery.lanes,
    device: config.device.name,
    namespace: NAMESPACE,
    peopleRoom,
    linkUp,
    nowMs: () => clock.nowMs(),
    clockKnown: () => clock.state() !== "unset",
    wake,
  });

const commandService = (
  { clock, commands, config, runtime, store }: UpstreamContext,
  { client, signal }: Way,
  rooms: AgentRooms,
  engine: Engine | null,
  wake: () => void,
): CommandService => {
  const { confirm_in_clear: confirmInClear, confirm_within: confirmWithinMs, ...rest } = config.commands;
  const { prefix, valid_for: validForMs } = rest;
  const listening = { prefix, userId: client.userId, namespace: NAMESPACE, bare: rooms.people.ours };
  const clockState = () => clock.state();
  return new CommandService({
    client,
    store,
    runtime,
    roomId: rooms.people.roomId,
    listening,
    validForMs,
    confirmWithinMs,
    confirmInClear,
    clockState,
    ...(engine === null ? {} : { encryption: engine }),
    nowMs: () => clock.nowMs(),
    commands,
    wake,
    signal,
  });
};

const syncOf = (
  { meter, runtime, store }: UpstreamContext,
  { client, http, link, session, signal }: Way,
  rooms: AgentRooms,
  engine: Engine | null,
  consumers: readonly SyncConsumer[],
): Sync => {
  return createSync({
    runtime,
    store,
    client,
    session,
    http,
    consumers: [...consumers, meter.consumer],
    ...(engine === null ? {} : { opener: engine }),
    filter: syncFilter(rooms, engine !== null, client.userId, NAMESPACE),
    signal,
    onState: (state) => {
      meter.sync(state);
      if (state.state !== "connecting") link(state.state === "online");
    },
  });
};

const senderFor = (
  { alarms, bytes, fatal, runtime, store }: UpstreamContext,
  { client, link }: Way,
  preparer: Preparer,
  bulkLeft: () => void,
  lanes: () => LaneKeeper,
): Sender => {
  const hooks: SenderHooks = {
    link,
    left: (lane) => {
      // A store that failed tells others: what was learned is learned again.
      void rates.keep().catch(() => undefined);
      if (lane === "bulk") bulkLeft();
      else lanes().look();
      if (lane === "alarm") void alarms.flush();
    },
    bytesDelayMs: (lane) => bytes.delayMs(lane),
    fatal,
  };
  const sender = new Sender(store, client, runtime, hooks, preparer);
  const rates = new RateMemory(store, sender.budget, runtime.clock.monoMs());
  return sender;
};

export const connect = (
  context: UpstreamContext,
  way: Way,
  rooms: AgentRooms,
  secured: Secured,
): Connected => {
  const { clock, config, journal, runtime, snapshot, store } = context;
  const { client } = way;
  const sender: Sender = senderFor(
    context,
    way,
    secured.preparer,
    () => packer.run(),
    () => lanes,
  );
  const lanes = laneKeeper(context, way, rooms.people.roomId, () => sender.wake());
  const wake = (): void => {
    lanes.look();
    sender.wake();
  };
  const { max_age: maxAgeMs, max_count: maxCount, plain_max: plainMax } = config.delivery.batch;
  const where = { device: config.device.name, roomId: rooms.data.roomId, namespace: NAMESPACE };
  const held = (): boolean => !way.linkUp() && clock.state() === "unset";
  const isExpired = expiryOf(config.channels, () => clock.nowMs());
  const budgetDelayMs = (): number => sender.budgetDelayMs("bulk");
  const uploads = createUploads({ client, runtime, signal: way.signal, sealed: secured.engine !== null });
  const files =
    config.delivery.files === "never"
      ? undefined
      : new FilePacks({ ...where, store, journal, runtime, signal: way.signal, isExpired, uploads });
  const packing = { ...where, maxAgeMs, maxCount, plainMax, held, isExpired, budgetDelayMs, files };
  const packer = new Packer(store, journal, runtime, packing, wake);
  const peopleRoom = rooms.people.roomId;
  const status = new StatusMessage(store, runtime, {
    roomId: peopleRoom,
    everyMs: config.rooms.status_every,
    snapshot,
    wake,
  });
  const commands = commandService(context, way, rooms, secured.engine, wake);
  const liveness = livenessOf(context, way, rooms, status, wake);
  const sync = syncOf(context, way, rooms, secured.engine, [commands, status, liveness, way.copies]);
  return { client, rooms, engine: secured.engine, sender, lanes, packer, status, liveness, commands, sync };
};
