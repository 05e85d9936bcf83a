// The agent as an encrypted device: the machine, wired to store, client, sync and outbox. Begin here.
//
//   sync ---open()---> openBatch (in the sync's transaction) ---> consumers
//   sender --prepare()--> Sharing (members, /keys/*, to-device) --wire(): one transaction { ratchet, ciphertext, attempt }--> PUT
//   Pump makes the machine's requests; whatever changes what sharing depends on is shared ahead of need, so that an alarm does not wait for it

import { type OutboxRow, storeCipher } from "#agent/delivery/outbox.ts";
import type { Prepared, Preparer, Wire } from "#agent/delivery/prepare.ts";
import type { IdentityAccess } from "#agent/identity/access.ts";
import {
  type MatrixClient,
  MatrixError,
  type RoomEvent,
  type SyncBatch,
  type SyncConsumer,
  type SyncOpener,
} from "#agent/matrix/types.ts";
import type { Runtime } from "#agent/runtime.ts";
import type { Database, Store } from "#agent/store/store.ts";
import type { CrossSigningState } from "#crypto/machine/cross-signing/state.ts";
import { MachineError } from "#crypto/machine/errors.ts";
import { createMachine } from "#crypto/machine/machine.ts";
import type { RequestKind } from "#crypto/machine/requests.ts";
import { nodeProvider } from "#crypto/provider/node.ts";
import { type Access, createAccess, fromCrypto } from "./access.ts";
import { History } from "./history.ts";
import { identityOf } from "./identity-of.ts";
import { ENCRYPTED, openBatch, openForDevices, openForKeys, type Turn } from "./incoming.ts";
import { Late } from "./late.ts";
import { SHARE_RETRY_MS } from "./limits.ts";
import { machineConfig } from "./machine-config.ts";
import { Members } from "./members.ts";
import { answerChallenge, deliverRoomEvent } from "./outside-requests.ts";
import { beginDevice, OTHER_DEVICE } from "./own-device.ts";
import { Pump } from "./pump.ts";
import { readEvents } from "./reader.ts";
import { Rehearsals } from "./rehearsal.ts";
import type { EncryptionConfig } from "./schema.ts";
import { type SenderTrust, senderTrust } from "./sender-trust.ts";
import { CHANGES_READERS, type Readiness, Sharing } from "./sharing.ts";
import { wasEncrypted } from "./tables.ts";
import { countUndecrypted } from "./undecrypted.ts";

export interface EngineOptions {
  readonly config: EncryptionConfig;
  readonly client: MatrixClient;
  readonly store: Store;
  readonly runtime: Runtime;
  /** Wall time as well as it is known. */
  readonly nowMs: () => number;
  /** For servers that ask for it before they take cross-signing keys. */
  readonly password: string | null;
  /** A room that waited for its key may go on. */
  readonly roomReady: (roomId: string) => void;
  /** Something was put into the outbox. */
  readonly wake: () => void;
  readonly fatal: (error: unknown) => void;
}

export interface EncryptionView {
  readonly deviceKey: string;
  readonly crossSigning: CrossSigningState["state"];
  /** Our own master key, for `encryption.trusted` elsewhere and for a person to compare. */
  readonly masterKey: string | null;
  /** Events that wait for their key, by cause. */
  readonly undecrypted: Readonly<Record<string, number>>;
  /** Members who cannot read, by room. */
  readonly without: Readonly<Record<string, readonly string[]>>;
}

export class Engine implements SyncOpener, Preparer {
  /** Of rooms, for who is invited. */
  readonly history: History;
  readonly #options: EngineOptions;
  readonly #access: Access;
  readonly #members: Members;
  readonly #pump: Pump;
  readonly #sharing: Sharing;
  readonly #late: Late;
  /** No batch was opened yet in this run. */
  #fresh = true;
  /** What the last batch's machine had to say, for when it is committed. */
  #said: () => void = () => undefined;
  #aheadRunning = false;
  readonly #rehearsals: Rehearsals;
  #stopped = false;

  constructor(options: EngineOptions) {
    const { client, config, nowMs, runtime, store } = options;
    this.#options = options;
    const { deviceId, userId } = client;
    const machine = createMachine({ provider: nodeProvider, userId, deviceId, ...machineConfig(config) });
    this.#late = new Late(store, (error) => this.#complain(error));
    this.#access = createAccess(store, nodeProvider, machine, runtime.log, nowMs, (calls, database) => {
      const turn = this.#turn(database, calls);
      return this.#late.take(openForKeys(turn, [...calls.readable]), database);
    });
    this.#members = new Members(client);
    this.#pump = new Pump(this.#access, store, client, runtime, {
      auth: (challenge) => answerChallenge(options, challenge),
      roomEvent: (request) => deliverRoomEvent(options, request),
      answered: (kind) => this.#answered(kind),
      fatal: options.fatal,
    });
    this.#rehearsals = new Rehearsals({ access: this.#access, store, timers: runtime.timers, userId });
    this.history = new History({ access: this.#access, client, pump: this.#pump, runtime, store });
    const { strategy } = config;
    this.#sharing = new Sharing({
      access: this.#access,
      members: this.#members,
      pump: this.#pump,
      log: runtime.log,
      timers: runtime.timers,
      strategy,
      userId,
    });
  }

  /** Makes our keys, and an identity where our user has none. Before anything else. */
  async start(): Promise<void> {
    const { client, runtime, store } = this.#options;
    const { left, state } = await this.#access.in((calls, database) =>
      beginDevice(calls, database, store.vault, client),
    );
    if (left !== null) runtime.log.warn({ before: left, now: client.deviceId }, OTHER_DEVICE);
    // Whoever is invited first looks at our device first: unsigned, many clients would give it no key.
    if (state === "ours" && left === null) this.#pump.kick();
    else await this.#pump.settle();
  }

  /** Who gets what could not be read with its sync, but later. */
  deliverTo(consumers: readonly SyncConsumer[]): void {
    this.#late.deliverTo(consumers);
  }

  /** Gets these rooms ready before anything is to be sent into them. */
  expect(roomIds: readonly string[]): void {
    for (const roomId of roomIds) void this.#ahead(roomId);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.history.stop();
    await this.#pump.stop();
  }

  /** The network is back. */
  retryNow(): void {
    this.#pump.retryNow();
  }

  rehearse(batch: SyncBatch): Promise<void> {
    return this.#rehearsals.play(batch);
  }

  open(batch: SyncBatch, database: Database): SyncBatch {
    const made = this.#turn(database);
    const turn: Turn = { ...made, calls: this.#rehearsals.callsFor(batch, database, made.calls) };
    const { changed, left } = this.#members.apply(batch);
    for (const roomId of left) turn.calls.invalidateRoomKey(roomId);
    const opened = openBatch(turn, batch, this.#fresh);
    const moved = changed.size > 0 || batch.initial || batch.toDevice.length > 0;
    if (moved || batch.deviceLists.changed.length > 0 || batch.deviceLists.left.length > 0)
      this.#sharing.touch();
    for (const [roomId, { state, timeline }] of batch.joined)
      if ([...timeline.map(({ event }) => event), ...state].some(({ type }) => type === "m.room.encryption"))
        this.#sharing.forget(roomId);
    const { notices } = turn.calls;
    this.#said = () => this.#access.tell(notices);
    return opened;
  }

  opened(): void {
    this.#fresh = false;
    this.#said();
    this.#said = () => undefined;
    this.#pump.kick();
    this.history.look();
    void this.#shareAhead();
  }

  async prepare(row: OutboxRow): Promise<Prepared> {
    const readiness = await this.#sharing.prepare(row.roomId);
    if (readiness.kind === "blocked")
      return { kind: "wait", delayMs: SHARE_RETRY_MS, reason: readiness.reason };
    return { kind: "ready", wire: (database) => this.#wire(database, row, readiness) };
  }

  /** For whoever only reads along; what cannot be read stays as it is. */
  read(events: readonly RoomEvent[]): Promise<readonly RoomEvent[]> {
    return readEvents(this.#access, events);
  }

  isEncrypted(roomId: string): boolean {
    return this.#options.store.read((database) => wasEncrypted(database, roomId));
  }

  /** For the verbs about the account's identity (agent/identity). */
  identity(): IdentityAccess {
    const { client, store } = this.#options;
    return identityOf(this.#access, store, client, this.#pump);
  }

  /** What the sender's device is worth now. */
  trustOf(userId: string, deviceId: string | null): Promise<SenderTrust> {
    return this.#access.in((calls) => {
      const found = calls.devices(userId).find(({ device }) => device.deviceId === deviceId);
      return senderTrust(found?.trust ?? null);
    });
  }

  view(roomIds: readonly string[]): Promise<EncryptionView> {
    const { userId } = this.#options.client;
    return this.#access.in((calls, database) => ({
      deviceKey: calls.setUp().ed25519,
      crossSigning: calls.crossSigning().state,
      masterKey: calls.masterKey(userId),
      undecrypted: countUndecrypted(database),
      without: Object.fromEntries(roomIds.map((roomId) => [roomId, this.#sharing.without(roomId)])),
    }));
  }

  #turn(database: Database, calls = this.#access.on(database)): Turn {
    const { client, nowMs, runtime } = this.#options;
    return { calls, database, nowMs: nowMs(), log: runtime.log, userId: client.userId };
  }

  #wire(database: Database, row: OutboxRow, readiness: Readiness): Wire | null {
    if (readiness.kind === "blocked" || !this.#sharing.isCurrent(readiness)) return null;
    if (readiness.kind === "clear") {
      // Encrypted since: an event in clear is never right any more.
      return wasEncrypted(database, row.roomId) ? null : { type: row.type, content: row.content };
    }
    // Certainly absent, and nobody left since: the same ciphertext again.
    if (row.cipher !== null && row.cipher["session_id"] === readiness.sessionId)
      return { type: ENCRYPTED, content: row.cipher };
    try {
      const made = this.#access.on(database).encryptRoomEvent(row.roomId, row.type, row.content);
      const content = fromCrypto(made);
      storeCipher(database, row, content);
      return { type: ENCRYPTED, content };
    } catch (error) {
      if (!(error instanceof MachineError)) throw error;
      this.#sharing.forget(row.roomId);
      return null;
    }
  }

  #answered(kind: RequestKind): void {
    if (!CHANGES_READERS.has(kind)) return;
    this.#sharing.touch();
    if (kind === "keys-query") {
      void this.#openLate();
      this.history.look();
    }
    void this.#shareAhead();
  }

  /** Messages of devices that were not known when they came. */
  async #openLate(): Promise<void> {
    try {
      const after = await this.#options.store.transaction((database) =>
        this.#late.take(openForDevices(this.#turn(database)), database),
      );
      after();
    } catch (error) {
      this.#complain(error);
    }
  }

  /** One look at a time: what changes meanwhile is seen by the next one. */
  async #shareAhead(): Promise<void> {
    if (this.#aheadRunning || this.#stopped) return;
    this.#aheadRunning = true;
    try {
      for (const roomId of this.#sharing.stale()) await this.#ahead(roomId);
    } finally {
      this.#aheadRunning = false;
    }
  }

  async #ahead(roomId: string): Promise<void> {
    try {
      const { kind } = await this.#sharing.prepare(roomId);
      if (kind !== "blocked") this.#options.roomReady(roomId);
    } catch (error) {
      this.#complain(error);
    }
  }

  /** It is tried again when an event's turn comes. A store that failed tells so itself. */
  #complain(error: unknown): void {
    if (this.#stopped || error instanceof MatrixError) return;
    this.#options.runtime.log.error({ error: String(error) }, "encryption: a room could not be made ready");
  }
}
