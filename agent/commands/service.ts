// Commands from the people room: received in the sync's transaction, authorised, run once, answered. One at a time, in the order in which they were sent.
import { put, waitingIn } from "#agent/delivery/outbox.ts";
import type { SenderTrust } from "#agent/encryption/sender-trust.ts";
import { notice, reply, withMentions } from "#agent/matrix/relations.ts";
import { retried } from "#agent/matrix/retry.ts";
import type { MatrixClient, SyncBatch, SyncConsumer } from "#agent/matrix/types.ts";
import { pause, type Runtime } from "#agent/runtime.ts";
import { type Database, type Store, StoreError } from "#agent/store/store.ts";
import type { ClockState } from "#agent/telemetry/reading.ts";
import { bindArguments } from "./arguments.ts";
import { authorise, type Channel, type Decision } from "./authorise.ts";
import { CODE, parseCode } from "./code.ts";
import type { Command, Outcome } from "./command.ts";
import { Confirms } from "./confirms.ts";
import { type CommandState, type InboxRow, moveTo, oldestIn, prune, receive } from "./inbox.ts";
import { REFUSALS_PER_MINUTE_MAX, REPLIES_WAITING_MAX, STORE_RETRY_MS } from "./limits.ts";
import { bodyOf, INTERRUPTED } from "./reply.ts";
import { type Listening, parseRequest } from "./request.ts";
import { unlessAborted } from "./unless-aborted.ts";

/** What is asked of encryption. */
export interface CommandEncryption {
  isEncrypted(roomId: string): boolean;
  trustOf(userId: string, deviceId: string | null): Promise<SenderTrust>;
}

export interface CommandContext {
  readonly client: MatrixClient;
  readonly store: Store;
  readonly runtime: Runtime;
  readonly roomId: string;
  readonly listening: Listening;
  readonly validForMs: number;
  /** How long a confirmation code is good. */
  readonly confirmWithinMs: number;
  /** Commands that wait for a code are taken in rooms that are not encrypted too. */
  readonly confirmInClear: boolean;
  readonly clockState: () => ClockState;
  /** Absent: rooms are not encrypted here. */
  readonly encryption?: CommandEncryption;
  /** The time now, as far as it is known. */
  readonly nowMs: () => number;
  readonly commands: () => readonly Command[];
  /** A reply was put into the outbox. */
  readonly wake: () => void;
  readonly signal: AbortSignal;
}

const MINUTE_MS = 60_000;

export class CommandService implements SyncConsumer {
  readonly #context: CommandContext;
  readonly #refusals = new Map<string, number[]>();
  readonly #confirms: Confirms;
  /** The last loop; `busy` says whether it still goes on. */
  #running: Promise<void> | null = null;
  #busy = false;
  #again = false;

  constructor(context: CommandContext) {
    this.#context = context;
    this.#confirms = new Confirms(context, {
      command: (row) => this.#command(row),
      decide: async (row, level) => (await this.#decide(row, { level, harmless: false })).decision,
      execute: (row, command, also) => this.#execute(row, command, also),
      finish: (row, state, outcome, also) => this.#finish(row, state, outcome, also),
      refuse: (row, text) => this.#refuse(row, text),
      silently: (row) => this.#silently(row),
    });
  }

  /** In the sync's transaction: what asks something of us is written down. */
  apply(batch: SyncBatch, database: Database): void {
    const { listening, roomId, store } = this.#context;
    for (const timelineEvent of batch.joined.get(roomId)?.timeline ?? []) {
      const { event } = timelineEvent;
      const request = parseCode(event, listening) ?? parseRequest(event, listening);
      if (request !== null) receive(database, store.vault, timelineEvent, request);
    }
  }

  committed(): void {
    this.run();
  }

  /** Works off what was received; what was running when the process died is answered, not repeated. */
  async start(): Promise<void> {
    for (;;) {
      const row = this.#oldest("running");
      if (row === null) break;
      await this.#finish(row, "failed", INTERRUPTED);
    }
    this.run();
  }

  run(): void {
    this.#again = true;
    if (this.#busy) return;
    this.#busy = true;
    this.#running = this.#loop();
  }

  async stop(): Promise<void> {
    await this.#running;
  }

  /** Never rejects. */
  async #loop(): Promise<void> {
    const { runtime, signal } = this.#context;
    try {
      while (this.#again && !signal.aborted) {
        this.#again = false;
        for (let row = this.#oldest("received"); row !== null; row = this.#oldest("received")) {
          await this.#handle(row);
          if (signal.aborted) return;
        }
      }
    } catch (error) {
      if (!signal.aborted) runtime.log.error({ error: String(error) }, "commands could not be worked off");
    } finally {
      // In the same breath as the last look at `again`: whoever asks from now on starts a new loop.
      this.#busy = false;
    }
  }

  #oldest(state: CommandState): InboxRow | null {
    const { store } = this.#context;
    return store.read((database) => oldestIn(database, store.vault, state));
  }

  async #handle(row: InboxRow): Promise<void> {
    const { runtime, store } = this.#context;
    const { log } = runtime;
    if (store.read((database) => waitingIn(database, "reply")) >= REPLIES_WAITING_MAX) {
      log.warn({ sender: row.sender }, "a command was not run: too many replies wait to be sent");
      await this.#silently(row);
      return;
    }
    if (row.request.name === CODE) {
      await this.#confirms.take(row);
      return;
    }
    const command = this.#command(row);
    if (command === null) {
      await this.#unknown(row);
      return;
    }
    const { channel, decision } = await this.#decide(row, command);
    if (!decision.allowed) {
      log.warn({ command: command.name, sender: row.sender, why: decision.why }, "a command was refused");
      await this.#refuse(row, `${command.name} was refused: ${decision.reason}`);
      return;
    }
    if (command.confirm === undefined) await this.#execute(row, command);
    else await this.#confirms.ask(row, command, channel);
  }

  #command({ request }: InboxRow): Command | null {
    return this.#context.commands().find(({ name }) => name === request.name) ?? null;
  }

  /** In a room where people talk, a word that is no command is no command: only what was plainly meant for us is answered. */
  async #unknown(row: InboxRow): Promise<void> {
    const { listening } = this.#context;
    if (listening.bare) await this.#silently(row);
    else
      await this.#refuse(
        row,
        `there is no command "${row.request.name}"; "${listening.prefix} help" lists them`,
      );
  }

  async #silently(row: InboxRow): Promise<void> {
    await this.#commit((database) => {
      moveTo(database, row.eventId, "refused");
      prune(database);
    });
  }

  async #decide(
    row: InboxRow,
    command: Pick<Command, "harmless" | "level">,
  ): Promise<{ readonly channel: Channel; readonly decision: Decision }> {
    const { client, clockState, nowMs, roomId, runtime, signal, validForMs } = this.#context;
    const levels = await retried(runtime, signal, () => client.powerLevels(roomId));
    const channel = await this.#channel(row);
    const decision = authorise({
      channel,
      nowMs: nowMs(),
      sentMs: row.sentMs,
      validForMs,
      provenance: row.provenance,
      clock: clockState(),
      harmless: command.harmless,
      senderLevel: levels.userLevel(row.sender),
      neededLevel: command.level,
    });
    return { channel, decision };
  }

  /** The device is looked at now, not when the command came: its owner may have signed it, or taken that back. */
  async #channel({ deviceId, roomId, sender }: InboxRow): Promise<Channel> {
    const { encryption } = this.#context;
    if (deviceId === null) return encryption?.isEncrypted(roomId) === true ? "clear" : "open";
    const trust = (await encryption?.trustOf(sender, deviceId)) ?? "unknown";
    return trust === "verified" || trust === "cross-signed" ? "signed" : trust;
  }

  async #refuse(row: InboxRow, text: string): Promise<void> {
    if (this.#mayAnswer(row.sender)) await this.#finish(row, "refused", { ok: false, text });
    else await this.#silently(row);
  }

  #mayAnswer(sender: string): boolean {
    const now = this.#context.runtime.clock.monoMs();
    for (const [known, times] of this.#refusals)
      if (times.every((at) => now - at >= MINUTE_MS)) this.#refusals.delete(known);
    const recent = (this.#refusals.get(sender) ?? []).filter((at) => now - at < MINUTE_MS);
    if (recent.length >= REFUSALS_PER_MINUTE_MAX) return false;
    this.#refusals.set(sender, [...recent, now]);
    return true;
  }

  /** `also`: what changes with it. */
  async #execute(row: InboxRow, command: Command, also?: (database: Database) => void): Promise<void> {
    const { client, runtime, signal, store } = this.#context;
    await this.#commit((database) => {
      also?.(database);
      moveTo(database, row.eventId, "running");
    });
    await store.durable();
    // The receipt tells the operator that the device has seen it; without one the reply tells it too.
    client
      .receipt(row.roomId, row.eventId)
      .catch((error: unknown) => runtime.log.debug({ error: String(error) }, "no receipt"));
    const outcome = await unlessAborted(signal, this.#outcome(row, command));
    // Left as running: the next start tells that it was interrupted.
    if (outcome === null) return;
    runtime.log.info({ command: command.name, sender: row.sender, ok: outcome.ok }, "a command was run");
    await this.#finish(row, outcome.ok ? "succeeded" : "failed", outcome);
  }

  async #outcome(row: InboxRow, command: Command): Promise<Outcome> {
    try {
      return await command.run(bindArguments(row.request, command.rules), this.#context.signal, row.sender);
    } catch (error) {
      return { ok: false, text: error instanceof Error ? error.message : String(error) };
    }
  }

  /** State and reply in one transaction: an operator sees exactly one answer. */
  async #finish(
    row: InboxRow,
    state: CommandState,
    outcome: Outcome,
    also?: (database: Database) => void,
  ): Promise<void> {
    const { runtime, store, wake } = this.#context;
    const content = withMentions(reply(notice(bodyOf(outcome)), row.eventId), [row.sender]);
    await this.#commit((database) => {
      also?.(database);
      moveTo(database, row.eventId, state);
      put(database, store.vault, runtime.random, {
        lane: "reply",
        roomId: row.roomId,
        type: "m.room.message",
        content,
      });
      prune(database);
    });
    await store.durable();
    wake();
  }

  /** A store that is only busy is asked again: what was done must be answered by the process that did it. */
  async #commit(work: (database: Database) => void): Promise<void> {
    const { runtime, signal, store } = this.#context;
    for (;;) {
      try {
        await store.transaction(work);
        return;
      } catch (error) {
        if (!(error instanceof StoreError) || error.code !== "BUSY" || signal.aborted) throw error;
        await pause(runtime.timers, STORE_RETRY_MS, signal);
      }
    }
  }
}
