// The way to the room: session, rooms, packer, sender, status message, commands, sync. It comes up when the homeserver can be reached, however late,
// while the drivers have long been running; and it goes on from where the store stands.

import type { Command } from "./commands/command.ts";
import { CommandService } from "./commands/service.ts";
import type { Config } from "./config/config.ts";
import { type Outgoing, put, TXN_CHARS, withTxnId } from "./delivery/outbox.ts";
import { Packer } from "./delivery/packer.ts";
import { Sender, type SenderHooks } from "./delivery/sender.ts";
import type { Engine } from "./encryption/engine.ts";
import { checkEncryptable, type Secured, secure, syncFilter } from "./encryption/secure.ts";
import { wasEncrypted } from "./encryption/tables.ts";
import type { Journal } from "./journal/journal.ts";
import { currentBoot } from "./journal/stream.ts";
import { Liveness } from "./liveness/liveness.ts";
import { createClient } from "./matrix/client.ts";
import { createHttp, type Http } from "./matrix/http.ts";
import type { Credentials } from "./matrix/login.ts";
import { retried } from "./matrix/retry.ts";
import { openSession, type Session } from "./matrix/session.ts";
import { createSync, type Sync } from "./matrix/sync.ts";
import type { MatrixClient, SyncConsumer } from "./matrix/types.ts";
import { checkEvent } from "./matrix/validate.ts";
import { type AgentRooms, ensureRooms } from "./rooms/rooms.ts";
import type { Snapshot } from "./rooms/status-card.ts";
import { StatusMessage } from "./rooms/status-message.ts";
import type { Runtime } from "./runtime.ts";
import type { Store } from "./store/store.ts";
import type { ClockWatch } from "./time/clock-watch.ts";

export const NAMESPACE = "dev.petrel";

export interface UpstreamContext {
  readonly config: Config;
  readonly runtime: Runtime;
  readonly store: Store;
  readonly journal: Journal;
  readonly clock: ClockWatch;
  readonly credentials: Credentials | null;
  readonly snapshot: () => Snapshot;
  readonly commands: () => readonly Command[];
  /** The homeserver is reachable, or not. */
  readonly link: (up: boolean) => void;
  /** Nothing more can be sent or received: a token that is no longer valid, a store that failed. */
  readonly fatal: (error: unknown) => void;
}

/** Everything that exists once the homeserver was reached. */
interface Connected {
  readonly client: MatrixClient;
  readonly rooms: AgentRooms;
  /** Null: encryption is not enabled. */
  readonly engine: Engine | null;
  readonly sender: Sender;
  readonly packer: Packer;
  readonly status: StatusMessage;
  readonly liveness: Liveness;
  readonly commands: CommandService;
  readonly sync: Sync;
}

/** How long a stopping agent tries to get out what it still has to say. */
const FAREWELL_MS = 2000;

export class Upstream {
  readonly #context: UpstreamContext;
  readonly #aborter = new AbortController();
  readonly #http: Http;
  #connected: Connected | null = null;
  #running: Promise<void> | null = null;
  #linkUp = false;

  constructor(context: UpstreamContext) {
    this.#context = context;
    context.clock.onEpoch(() => this.#connected?.packer.run());
    this.#http = createHttp({
      timers: context.runtime.timers,
      signal: this.#aborter.signal,
      onServerDate: (dateMs) => context.clock.serverDate(dateMs),
    });
  }

  start(): void {
    this.#running = this.#run().catch((error: unknown) => {
      if (!this.#aborter.signal.aborted) this.#context.fatal(error);
    });
  }

  /** Says good-bye in the people room if that goes quickly, then ends every call. Comes to its end with a failed store too: who stops then knows why. */
  async stop(): Promise<void> {
    const connected = this.#connected;
    try {
      if (connected !== null && !this.#context.store.failed.aborted) {
        await connected.packer.stop();
        await connected.status.stop();
        await connected.liveness.goodbye();
        if (this.#linkUp) await this.#farewell(connected);
      }
    } catch (error) {
      this.#context.runtime.log.warn({ error: String(error) }, "the last status could not be stored");
    } finally {
      this.#aborter.abort();
    }
    connected?.status.halt();
    connected?.liveness.halt();
    await Promise.all([connected?.packer.stop(), connected?.engine?.stop()]);
    await Promise.all([connected?.sender.stop(), connected?.commands.stop()]);
    await this.#running;
  }

  /** The network came back: nothing waits for its back-off any longer. */
  poke(): void {
    this.#connected?.sync.poke();
    this.#connected?.engine?.retryNow();
    this.#connected?.sender.retryNow();
  }

  engine(): Engine | null {
    return this.#connected?.engine ?? null;
  }

  rooms(): AgentRooms | null {
    return this.#connected?.rooms ?? null;
  }

  client(): MatrixClient | null {
    return this.#connected?.client ?? null;
  }

  linkUp(): boolean {
    return this.#linkUp;
  }

  senderStats(): ReturnType<Sender["stats"]> | null {
    return this.#connected?.sender.stats() ?? null;
  }

  /** Puts an event into the outbox; resolves once it is durable. Rejects what no server would take, while there is somebody to tell. */
  async send(outgoing: Outgoing): Promise<string> {
    const { runtime, store } = this.#context;
    const { content, roomId, type } = outgoing;
    const sender = this.#connected?.client.userId ?? "";
    checkEvent({ roomId, type, sender, content: withTxnId(content, "t".repeat(TXN_CHARS)) });
    if (this.#context.config.encryption.enabled) checkEncryptable(content);
    const txnId = await store.transaction((database) => put(database, store.vault, runtime.random, outgoing));
    await store.durable();
    this.#connected?.sender.wake();
    return txnId;
  }

  #link(up: boolean): void {
    if (up === this.#linkUp) return;
    this.#linkUp = up;
    this.#context.link(up);
    const connected = this.#connected;
    if (!up || connected === null) return;
    connected.packer.run();
    connected.engine?.retryNow();
    connected.sender.retryNow();
    connected.liveness.linkUp();
    void connected.status.check(connected.client);
  }

  async #run(): Promise<void> {
    const { runtime } = this.#context;
    const { signal } = this.#aborter;
    const session = await retried(runtime, signal, () => this.#openSession());
    const client = createClient({ http: this.#http, session });
    const secured = await this.#secure(client);
    const rooms = await retried(runtime, signal, () => this.#ensureRooms(client));
    if (signal.aborted) return;
    const connected = this.#connect(session, client, rooms, secured);
    this.#connected = connected;
    secured.engine?.deliverTo([connected.commands]);
    secured.engine?.expect([rooms.people.roomId, rooms.data.roomId]);
    await connected.status.start();
    await connected.liveness.start();
    await connected.commands.start();
    connected.sender.wake();
    await connected.sync.run();
  }

  #openSession(): Promise<Session> {
    const { config, credentials, runtime, store } = this.#context;
    const { device_id: deviceId, server, url } = config.homeserver;
    return openSession({
      runtime,
      store,
      http: this.#http,
      homeserver: url ?? server ?? "",
      displayName: `Petrel ${config.device.name}`,
      ...(credentials === null ? {} : { credentials }),
      ...(deviceId === undefined ? {} : { deviceId }),
    });
  }

  #ensureRooms(client: MatrixClient): Promise<AgentRooms> {
    const { config, runtime, store } = this.#context;
    return ensureRooms({
      client,
      store,
      log: runtime.log,
      device: config.device.name,
      namespace: NAMESPACE,
      config: config.rooms,
      encrypted: config.encryption.enabled && config.rooms.encrypted,
    });
  }

  #secure(client: MatrixClient): Promise<Secured> {
    const { clock, config, credentials, fatal, runtime, store } = this.#context;
    return secure(config.encryption, {
      client,
      store,
      runtime,
      nowMs: () => clock.nowMs(),
      password: credentials?.kind === "password" ? credentials.password : null,
      roomReady: (roomId) => this.#connected?.sender.roomReady(roomId),
      wake: () => this.#connected?.sender.wake(),
      fatal,
    });
  }

  #connect(session: Session, client: MatrixClient, rooms: AgentRooms, secured: Secured): Connected {
    const { clock, config, journal, runtime, store } = this.#context;
    const hooks: SenderHooks = {
      link: (up) => this.#link(up),
      left: (lane) => {
        if (lane === "bulk") packer.run();
      },
      fatal: this.#context.fatal,
    };
    const sender: Sender = new Sender(store, client, runtime, hooks, secured.preparer);
    const wake = (): void => sender.wake();
    const { max_age: maxAgeMs, max_count: maxCount } = config.delivery.batch;
    const where = { device: config.device.name, roomId: rooms.data.roomId, namespace: NAMESPACE };
    const held = (): boolean => !this.#linkUp && clock.state() === "unset";
    const packing = { ...where, maxAgeMs, maxCount, held };
    const packer = new Packer(store, journal, runtime, packing, wake);
    const peopleRoom = rooms.people.roomId;
    const { snapshot } = this.#context;
    const status = new StatusMessage(store, runtime, {
      roomId: peopleRoom,
      everyMs: config.rooms.status_every,
      snapshot,
      wake,
    });
    const commands = this.#commandService(client, rooms, secured.engine, wake);
    const liveness = this.#liveness(client, rooms, status, wake);
    const sync = this.#createSync(session, client, rooms, secured.engine, [commands, status]);
    return { client, rooms, engine: secured.engine, sender, packer, status, liveness, commands, sync };
  }

  #liveness(client: MatrixClient, rooms: AgentRooms, status: StatusMessage, wake: () => void): Liveness {
    const { clock, config, runtime, store } = this.#context;
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
      isUp: () => this.#linkUp,
      wasEncrypted: (roomId) => store.read((database) => wasEncrypted(database, roomId)),
      wake,
    });
  }

  #commandService(
    client: MatrixClient,
    rooms: AgentRooms,
    engine: Engine | null,
    wake: () => void,
  ): CommandService {
    const { clock, commands, config, runtime, store } = this.#context;
    const { prefix, valid_for: validForMs } = config.commands;
    const listening = { prefix, userId: client.userId, namespace: NAMESPACE, bare: rooms.people.ours };
    const { signal } = this.#aborter;
    const clockState = () => clock.state();
    return new CommandService({
      client,
      store,
      runtime,
      roomId: rooms.people.roomId,
      listening,
      validForMs,
      clockState,
      ...(engine === null ? {} : { encryption: engine }),
      nowMs: () => clock.nowMs(),
      commands,
      wake,
      signal,
    });
  }

  #createSync(
    session: Session,
    client: MatrixClient,
    rooms: AgentRooms,
    engine: Engine | null,
    consumers: readonly SyncConsumer[],
  ): Sync {
    const { runtime, store } = this.#context;
    return createSync({
      runtime,
      store,
      client,
      session,
      http: this.#http,
      consumers,
      ...(engine === null ? {} : { opener: engine }),
      filter: syncFilter(rooms, engine !== null, client.userId, NAMESPACE),
      signal: this.#aborter.signal,
      onState: (state) => {
        if (state.state !== "connecting") this.#link(state.state === "online");
      },
    });
  }

  /** Waits, bounded, until the outbox has sent its last words. */
  async #farewell({ liveness, sender }: Connected): Promise<void> {
    const { clock, timers } = this.#context.runtime;
    sender.wake();
    const until = clock.monoMs() + FAREWELL_MS;
    while (!sender.idle() && clock.monoMs() < until)
      await new Promise<void>((resolve) => {
        timers.after(20, resolve);
      });
    if (sender.idle()) await liveness.cancelWills();
  }
}
