// Getting a room ready to be encrypted for: its settings and members known, its key with everybody who may read. Ahead of need where something changed,
// and when an event's turn comes.
import { type Log, pause, type Timers } from "#agent/runtime.ts";
import { MachineError } from "#crypto/machine/errors.ts";
import type { MachineCalls } from "#crypto/machine/machine.ts";
import type { RequestKind } from "#crypto/machine/requests.ts";
import type { SharingStrategy } from "#crypto/machine/rooms/recipients.ts";
import type { ShareOptions, ShareProgress } from "#crypto/machine/rooms/share.ts";
import type { SharePart, SharePlace } from "#crypto/machine/rooms/share-parts.ts";
import type { Access } from "./access.ts";
import { MEMBERS_PER_LOOK, SHARE_ROUNDS_MAX } from "./limits.ts";
import type { Members } from "./members.ts";
import type { Pump } from "./pump.ts";
import { wasEncrypted } from "./tables.ts";

/** Answers after which a room may have another set of readers, or another way to reach them. */
export const CHANGES_READERS: ReadonlySet<RequestKind> = new Set<RequestKind>([
  "keys-query",
  "keys-changes",
  "keys-claim",
  "cross-signing-upload",
  "signatures-upload",
]);

export type Readiness =
  | { readonly kind: "clear" }
  | { readonly kind: "ready"; readonly revision: number; readonly sessionId: string }
  | { readonly kind: "blocked"; readonly reason: string };

const reasonOf = (progress: unknown): string =>
  progress instanceof MachineError
    ? progress.message
    : "encryption: the room key is on its way, and the homeserver does not answer";

export interface SharingOptions {
  readonly access: Access;
  readonly members: Members;
  readonly pump: Pump;
  readonly log: Log;
  readonly timers: Timers;
  readonly strategy: SharingStrategy;
  readonly userId: string;
}

export class Sharing {
  readonly #options: SharingOptions;
  readonly #ready = new Map<string, Readiness>();
  readonly #running = new Map<string, Promise<Readiness>>();
  readonly #told = new Set<string>();
  /** Of the room's readers who get nothing, in words. */
  readonly #without = new Map<string, readonly string[]>();
  #revision = 0;

  constructor(options: SharingOptions) {
    this.#options = options;
  }

  /** Something changed that sharing depends on. */
  touch(): void {
    this.#revision += 1;
  }

  /** The rooms that were ready once in this run and are not any more. */
  stale(): readonly string[] {
    return [...this.#ready.keys()].filter((roomId) => !this.isCurrent(this.#ready.get(roomId)));
  }

  isCurrent(readiness: Readiness | undefined): boolean {
    if (readiness?.kind === "clear") return true;
    return readiness?.kind === "ready" && readiness.revision === this.#revision;
  }

  /** The room was encrypted, or an event found that its key is worn out. */
  forget(roomId: string): void {
    const known = this.#ready.get(roomId);
    if (known !== undefined) this.#ready.set(roomId, { kind: "blocked", reason: "its key is worn out" });
  }

  without(roomId: string): readonly string[] {
    return this.#without.get(roomId) ?? [];
  }

  /** Rejects with a `MatrixError` when the server does not say what has to be known. */
  prepare(roomId: string): Promise<Readiness> {
    const known = this.#ready.get(roomId);
    if (known !== undefined && this.isCurrent(known)) return Promise.resolve(known);
    const running = this.#running.get(roomId);
    if (running !== undefined) return running;
    const run = this.#prepare(roomId).finally(() => this.#running.delete(roomId));
    this.#running.set(roomId, run);
    return run;
  }

  async #prepare(roomId: string): Promise<Readiness> {
    const encrypted = await this.#isEncrypted(roomId);
    const readiness: Readiness = encrypted ? await this.#share(roomId) : { kind: "clear" };
    this.#ready.set(roomId, readiness);
    return readiness;
  }

  async #isEncrypted(roomId: string): Promise<boolean> {
    const { access, members } = this.#options;
    const asked = await members.encryption(roomId);
    const encrypted = await access.in((calls, database) =>
      // What the server does not say any more counts as little as what it takes back.
      asked === undefined || asked === null
        ? wasEncrypted(database, roomId)
        : calls.receiveRoomEncryption(roomId, asked),
    );
    members.checked(roomId);
    return encrypted;
  }

  async #share(roomId: string): Promise<Readiness> {
    const { members, pump, strategy } = this.#options;
    let before = "";
    for (let round = 0; round < SHARE_ROUNDS_MAX; round += 1) {
      const options = { ...(await members.of(roomId)), strategy };
      const revision = this.#revision;
      const progress = await this.#shareParts(roomId, options);
      if (!(progress instanceof MachineError)) {
        const { claims, messages, queries, sessionId } = progress;
        if (queries + claims + messages === 0) {
          await this.#tellWithout(roomId, options.members);
          pump.kick();
          return { kind: "ready", revision, sessionId };
        }
      }
      const now = progress instanceof MachineError ? progress.message : JSON.stringify(progress);
      // All that could be sent was sent, and it is as it was: something waits.
      if (now === before) return { kind: "blocked", reason: reasonOf(progress) };
      before = now;
      await pump.settle();
    }
    return { kind: "blocked", reason: "its key could not be shared with everybody yet" };
  }

  /** One look at all of the room's devices, in parts: the loop turns between two of them. */
  async #shareParts(roomId: string, options: ShareOptions): Promise<ShareProgress | MachineError> {
    const { access, timers } = this.#options;
    let place: SharePlace | null = null;
    for (;;) {
      const from: SharePlace | null = place;
      const share = (calls: MachineCalls): SharePart | MachineError => {
        try {
          return calls.shareRoomKeyPart(roomId, options, from);
        } catch (error) {
          if (error instanceof MachineError) return error;
          throw error;
        }
      };
      const part: SharePart | MachineError = await access.in(share);
      if (part instanceof MachineError) return part;
      if (part.kind === "done") return part.progress;
      ({ place } = part);
      await pause(timers, 0);
    }
  }

  /** A reader none of whose devices gets the key sees nothing, and should be told why by somebody. */
  async #tellWithout(roomId: string, members: readonly string[]): Promise<void> {
    const { access, log, strategy, timers, userId } = this.#options;
    if (strategy !== "cross-signed" && strategy !== "verified") return;
    const others = members.filter((member) => member !== userId);
    const without: string[] = [];
    for (let at = 0; at < others.length; at += MEMBERS_PER_LOOK) {
      if (at > 0) await pause(timers, 0);
      const some = others.slice(at, at + MEMBERS_PER_LOOK);
      const found = await access.in((calls) =>
        some.filter((member) => {
          const devices = calls.devices(member);
          return devices.every(
            ({ trust }) => !(strategy === "verified" ? trust.verified : trust.crossSigned),
          );
        }),
      );
      without.push(...found);
    }
    this.#without.set(roomId, without);
    for (const member of without) {
      const name = `${roomId} ${member}`;
      if (this.#told.has(name)) continue;
      this.#told.add(name);
      log.warn(
        { roomId, member },
        "encryption: nothing of this room can be read by this member: none of their devices is cross-signed; they verify one in their client, or encryption.strategy is set to all",
      );
    }
  }
}
