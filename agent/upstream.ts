// The way to the room: session, rooms, packer, sender, status message, commands, sync. It comes up when the homeserver can be reached, however late,
// while the drivers have long been running; and it goes on from where the store stands.

import { type Connected, connect, secureWay, type UpstreamContext, type Way } from "./connect.ts";
import { Copies } from "./copies/copies.ts";
import { type Outgoing, put, TXN_CHARS, withTxnId } from "./delivery/outbox.ts";
import type { Sender } from "./delivery/sender.ts";
import type { Engine } from "./encryption/engine.ts";
import { checkEncryptable } from "./encryption/secure.ts";
import { createClient } from "./matrix/client.ts";
import { createHttp, type Http } from "./matrix/http.ts";
import { retried } from "./matrix/retry.ts";
import { openSession, type Session } from "./matrix/session.ts";
import type { MatrixClient } from "./matrix/types.ts";
import { checkEvent } from "./matrix/validate.ts";
import { NAMESPACE } from "./namespace.ts";
import { type AgentRooms, ensureRooms } from "./rooms/rooms.ts";

export type { UpstreamContext } from "./connect.ts";
export { NAMESPACE } from "./namespace.ts";

/** How long a stopping agent tries to get out what it still has to say. */
const FAREWELL_MS = 2000;

export class Upstream {
  readonly #context: UpstreamContext;
  readonly #aborter = new AbortController();
  readonly #http: Http;
  #connected: Connected | null = null;
  #running: Promise<void> | null = null;
  #linkUp = false;
  #copies: Copies | null = null;

  constructor(context: UpstreamContext) {
    this.#context = context;
    context.clock.onEpoch(() => this.#connected?.packer.run());
    this.#http = createHttp({
      timers: context.runtime.timers,
      signal: this.#aborter.signal,
      onServerDate: (dateMs) => context.clock.serverDate(dateMs),
      onTraffic: context.bytes.count,
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
        const said = await connected.status.stop();
        await connected.liveness.goodbye();
        if (this.#linkUp) await this.#farewell(connected, said);
      }
    } catch (error) {
      this.#context.runtime.log.warn({ error: String(error) }, "the last status could not be stored");
    } finally {
      this.#aborter.abort();
    }
    this.#copies?.stop();
    connected?.status.halt();
    connected?.liveness.halt();
    await Promise.all([connected?.packer.stop(), connected?.lanes.stop(), connected?.engine?.stop()]);
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

  sender(): Sender | null {
    return this.#connected?.sender ?? null;
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
    this.#connected?.lanes.look();
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
    connected.lanes.look();
    connected.liveness.linkUp();
    void connected.status.check(connected.client);
  }

  async #run(): Promise<void> {
    const { runtime } = this.#context;
    const { signal } = this.#aborter;
    const session = await retried(runtime, signal, () => this.#openSession());
    const copies = this.#watchCopies(session);
    const guarded = copies.guarded();
    const client = createClient({ http: this.#http, session: guarded });
    const way = this.#way(guarded, client, copies);
    const secured = await secureWay(this.#context, way);
    const rooms = await retried(runtime, signal, () => this.#ensureRooms(client, secured.engine));
    if (signal.aborted) return;
    const connected = connect(this.#context, way, rooms, secured);
    this.#connected = connected;
    connected.lanes.look();
    secured.engine?.deliverTo([connected.commands]);
    secured.engine?.expect([rooms.people.roomId, rooms.data.roomId]);
    await this.#context.alarms.connected(rooms, () => {
      connected.lanes.look();
      connected.sender.wake();
    });
    await connected.status.start();
    await connected.liveness.start();
    await connected.commands.start();
    connected.sender.wake();
    await connected.sync.run();
  }

  /** From here on nothing is asked of the homeserver before it is known that no other process has this store. */
  #watchCopies(session: Session): Copies {
    const { board, bootId, runtime, store } = this.#context;
    const client = createClient({ http: this.#http, session });
    const fatal = (error: unknown): void => {
      this.#context.fatal(error);
      // Everything that asks for something is over, as at the end.
      this.#aborter.abort();
    };
    const options = { session, client, store, runtime, namespace: NAMESPACE, board, bootId, fatal };
    this.#copies = new Copies(options);
    return this.#copies;
  }

  #way(session: Session, client: MatrixClient, copies: Copies): Way {
    return {
      session,
      client,
      copies,
      http: this.#http,
      signal: this.#aborter.signal,
      link: (up) => this.#link(up),
      linkUp: () => this.#linkUp,
      sender: () => this.#connected?.sender ?? null,
    };
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

  #ensureRooms(client: MatrixClient, engine: Engine | null): Promise<AgentRooms> {
    const { config, runtime, store } = this.#context;
    return ensureRooms({
      client,
      store,
      log: runtime.log,
      device: config.device.name,
      namespace: NAMESPACE,
      config: config.rooms,
      encrypted: config.encryption.enabled && config.rooms.encrypted,
      // Whoever invited us may have told us of the keys of what was sent before.
      ...(engine === null ? {} : { beforeJoin: (room) => engine.history.invited(room) }),
    });
  }

  /** Waits, bounded, until the outbox has sent its last words. */
  async #farewell({ liveness, sender, status }: Connected, said: boolean): Promise<void> {
    await this.#sendOut(sender);
    // Stopped just after its start: only now is there a message to edit.
    if (!said && (await status.stop())) await this.#sendOut(sender);
    if (sender.idle()) await liveness.cancelWills();
  }

  async #sendOut(sender: Sender): Promise<void> {
    const { clock, timers } = this.#context.runtime;
    sender.wake();
    const until = clock.monoMs() + FAREWELL_MS;
    while (!sender.idle() && clock.monoMs() < until)
      await new Promise<void>((resolve) => {
        timers.after(20, resolve);
      });
  }
}
