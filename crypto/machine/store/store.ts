// What the machine keeps, row by row, and the interface of whoever keeps it: memory.ts here, SQLite in the agent.
//
// Rows are immutable values; secrets in them are states of ../../olm and ../../megolm (key handles), which a store on disk seals with ../../pickle/own.ts.
// A row is found by table, group and item. The machine reads what it needs, collects its changes (work.ts) and hands them back in one
// `write` at the end of each call, inside the caller's transaction: either all of them are stored, or none.
import type { InboundState } from "../../megolm/inbound.ts";
import type { OutboundState } from "../../megolm/outbound.ts";
import type { AccountState } from "../../olm/account.ts";
import type { SessionState } from "../../olm/session.ts";
import type { JsonObject } from "../../shape.ts";
import type { Request } from "../requests.ts";
import type { IdentityRows } from "./identity-rows.ts";
import type { SharingRows } from "./sharing-rows.ts";

/** Our own device. One row: group "", item "". */
export interface AccountRow {
  readonly userId: string;
  readonly deviceId: string;
  /** Secret. */
  readonly account: AccountState;
  readonly deviceKeysPublished: boolean;
  /** One-time keys on the server as last heard; null before the first word. */
  readonly serverCount: number | null;
  /** The last top-up was made because a count was absent, which one kind of server means as 0. */
  readonly countWasAbsent: boolean;
  /** False once it turned out that this server leaves counts out when they did not change. */
  readonly absentMeansZero: boolean;
  /** The alarm about keys that are not ours was given; it is not repeated until the counts are right again. */
  readonly unknownKeysReported: boolean;
  readonly fallback: FallbackRow;
  readonly uploadRefusals: number;
  /** No upload before this time. */
  readonly uploadNotBeforeMs: number;
}

export interface FallbackRow {
  /** Null: none was made yet. */
  readonly madeAtMs: number | null;
  /** Whether the server ever listed a key of ours as unused: some take fallback keys and drop them. */
  readonly supported: boolean;
  /** Whether the current key was listed as unused since it was published. */
  readonly seenUnused: boolean;
  /** Rotations in a row without the key ever being listed. */
  readonly rotationsUnseen: number;
  /** The server's word that the current key was used: rotate. */
  readonly rotate: boolean;
  /** When the first message under the current key came. */
  readonly firstUsedAtMs: number | null;
}

/** A request under way. Group "", item: its ID. */
export interface RequestRow {
  readonly request: Request;
  /** What the answer is matched with; its shape is the business of the module that made the request. */
  readonly detail: JsonObject;
}

/** A request under way, in short. Group: its kind, item: its ID. Bodies may be large, and most questions are about the rest. */
export interface UnderWayRow {
  readonly detail: JsonObject;
}

/** A user whose devices we follow. Group "", item: user ID. */
export interface TrackedRow {
  readonly sinceMs: number;
}

/** A tracked user whose devices must be asked for (again). Group "", item: user ID. */
export interface DirtyRow {
  /** Of the mark: a query that began before it cannot clear it. */
  readonly sequence: number;
}

/** A device, its keys pinned when they were first seen. Group: user ID, item: device ID. */
export interface DeviceRow {
  readonly userId: string;
  readonly deviceId: string;
  /** Unpadded base64, as we write it. */
  readonly curve25519: string;
  readonly ed25519: string;
  /** Those of Olm and Megolm that it names. */
  readonly algorithms: readonly string[];
  /** MSC3814: it waits on the server and sends nothing. */
  readonly dehydrated: boolean;
  /** The self-signing key whose signature on the device was verified. Trust compares it with the user's present one. */
  readonly crossSignedBy: string | null;
  /** That signature, for our own device: it goes out with `sender_device_keys`. */
  readonly crossSignature: string | null;
  /** False once the server no longer lists it. The pin stays. */
  readonly present: boolean;
}

/** A user's cross-signing keys. Group "", item: user ID. Keys are unpadded base64. */
export interface IdentityRow {
  readonly master: string;
  readonly selfSigning: string | null;
  /** Only our own is ever shown to us. */
  readonly userSigning: string | null;
  /** The master key that we saw first, or that was acknowledged since. */
  readonly pinned: string;
  /** A latch: the identity was verified and then changed. */
  readonly previouslyVerified: boolean;
  /** The own master key that a person or a verification confirmed; for our own user only. */
  readonly confirmed: string | null;
  /** The user-signing key of ours whose signature on the master key was verified. */
  readonly signedBy: string | null;
}

/** A server or device that did not answer. Group: which kind, item: its name. */
export interface BackoffRow {
  readonly failures: number;
  readonly untilMs: number;
}

/** An Olm session. Group: their Curve25519 key, item: session ID. */
export interface OlmSessionRow {
  /** Secret. */
  readonly state: SessionState;
  readonly createdAtMs: number;
  /** When it last decrypted something; null: never. */
  readonly receivedAtMs: number | null;
}

/** An Olm message that was taken. Group "", item: its hash; and its place in the order, group "order". */
export interface SeenRow {
  readonly atMs: number;
  /** Of the row in "" its number in "order"; of the row there the hash. */
  readonly other: string;
}

/** A device that something could not be read from. Group: user ID, item: device ID. */
export interface WedgedRow {
  /** A new session is wanted. */
  readonly wanted: boolean;
  /** When one was last made for this reason. */
  readonly unwedgedAtMs: number | null;
  /** Greater each time: a room key that went out before is sent again after it. */
  readonly times: number;
}

/** A room that was encrypted once. Group: room ID, item "". It is never deleted. */
export interface RoomRow {
  readonly algorithm: string;
  /** What the room says; null: nothing. */
  readonly rotationMs: number | null;
  readonly rotationMessages: number | null;
}

/** The Megolm session that we encrypt with. Group: room ID, item "". */
export interface OutboundRow {
  /** Secret. */
  readonly state: OutboundState;
  readonly createdAtMs: number;
  readonly messages: number;
  readonly sharedHistory: boolean;
  readonly invalidated: boolean;
  /** It is being given to the room's devices: nothing is encrypted with it until the last part of that. */
  readonly partial?: boolean;
  /** The state of things (rooms/share-parts.ts) for which everybody who may read has it. */
  readonly servedFor?: string;
}

/** A device that got a room key, or was told why not. Group: session ID, item: user ID and device ID as a JSON list. */
export interface ShareRow {
  readonly curve25519: string;
  /** From which message on; null: withheld. */
  readonly index: number | null;
  readonly code: string | null;
  /** What the count of replaced Olm sessions of the device was then. */
  readonly wedgedTimes: number;
}

/** How a session came to us: `device`: from its maker, over Olm. */
export type InboundOrigin = "device" | "file" | "backup" | "forwarded" | "history";

/** A Megolm session that we read with. Group: room ID, item: session ID. */
export interface InboundRow {
  /** Secret. */
  readonly state: InboundState;
  /** Who sent it, over Olm; null: it came from elsewhere, and says nothing of its owner. */
  readonly owner: string | null;
  /** Of the owner's device. */
  readonly curve25519: string;
  readonly ed25519: string;
  readonly sharedHistory: boolean;
  /** Absent: `device` where there is an owner, else `file`. */
  readonly origin?: InboundOrigin;
  /** Who passed it on, for `forwarded` and `history`. */
  readonly forwardedBy?: string | null;
}

/** A room that we have sessions of. Group "", item: room ID. */
export interface KeyedRow {
  readonly sinceMs: number;
}

/** Why a session was not given to us. Group: room ID, item: session ID; or that no device could reach us, group "", item: its Curve25519 key. */
export interface WithheldRow {
  readonly code: string;
  readonly reason: string;
  /** Absent in rows of earlier versions. */
  readonly atMs?: number;
}

/** The event that a message index belongs to. Group: room ID, session ID and block as a JSON list, item: the index. */
export interface ReplayRow {
  readonly eventId: string;
  readonly originServerTs: number;
}

/** What is remembered of a session's message indexes. Group: room ID, item: session ID. */
export interface IndexesRow {
  /** The blocks that there are rows of, ascending. */
  readonly blocks: readonly number[];
  /** Below it nothing is remembered any more. */
  readonly floor: number;
  /** Of its last new event, in days since the epoch: the list of idle sessions that it is in. */
  readonly day: number;
}

/** A session by the day of its last new event. Group: the day, item: room ID and session ID as a JSON list. */
export interface IdleRow {
  readonly day: number;
}

/** Counters. Group "", item: the name. */
export interface CounterRow {
  readonly next: number;
}

/** Table to row. A store needs to know no more of a row than that, save how to seal it. */
export interface Rows extends IdentityRows, SharingRows {
  readonly account: AccountRow;
  readonly counter: CounterRow;
  readonly request: RequestRow;
  readonly underWay: UnderWayRow;
  readonly tracked: TrackedRow;
  readonly dirty: DirtyRow;
  readonly device: DeviceRow;
  readonly identity: IdentityRow;
  readonly backoff: BackoffRow;
  readonly olm: OlmSessionRow;
  readonly seen: SeenRow;
  readonly wedged: WedgedRow;
  readonly room: RoomRow;
  readonly outbound: OutboundRow;
  readonly share: ShareRow;
  readonly inbound: InboundRow;
  readonly withheld: WithheldRow;
  readonly replay: ReplayRow;
  readonly indexes: IndexesRow;
  readonly idle: IdleRow;
  readonly keyed: KeyedRow;
}

export type TableName = keyof Rows;

/** One row's new value; null deletes it. */
export type Change = {
  [T in TableName]: {
    readonly table: T;
    readonly group: string;
    readonly item: string;
    readonly row: Rows[T] | null;
  };
}[TableName];

export interface Entry<T extends TableName> {
  readonly item: string;
  readonly row: Rows[T];
}

/** A part of a group: the rows after an item (null: from the first), as many as the limit. For names beyond ASCII the order of pages may be the store's own. */
export interface Page {
  readonly after: string | null;
  readonly limit: number;
}

/** Synchronous, and valid within the transaction that it was given for. `test/crypto/machine/store-conformance.ts` says what it must do. */
export interface MachineStore {
  get<T extends TableName>(table: T, group: string, item: string): Rows[T] | null;
  /**
   * The rows of a group, all or a page of them, ordered by item (by code unit).
   * Any string is a group and an item: empty, `__proto__`, with any character.
   */
  list<T extends TableName>(table: T, group: string, page?: Page): readonly Entry<T>[];
  /** All changes, in order; none when it throws. */
  write(changes: readonly Change[]): void;
}
