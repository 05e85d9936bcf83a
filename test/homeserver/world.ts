// All that the homeserver knows, in memory, and the one stream that orders it: every change takes the next position, sync tokens are
// positions. Nothing here knows HTTP. Rooms are lists: one server, so no state resolution and no forks.
import { createHash } from "node:crypto";
import type { Json, JsonObject } from "./json.ts";
import type { Profile } from "./profile.ts";

export interface StoredEvent {
  readonly eventId: string;
  readonly roomId: string;
  readonly type: string;
  readonly sender: string;
  readonly stateKey: string | null;
  readonly originServerTs: number;
  readonly position: number;
  readonly content: JsonObject;
  readonly redacts: string | null;
  /** The state event that this one took the place of. */
  readonly replaces: StoredEvent | null;
  readonly transaction: { readonly id: string; readonly deviceId: string; readonly session: number } | null;
  redactedBy: StoredEvent | null;
}

export interface Receipt {
  readonly eventId: string;
  readonly type: string;
  readonly userId: string;
  readonly ts: number;
  readonly threadId: string | null;
  readonly position: number;
}

export interface Room {
  readonly roomId: string;
  readonly version: string;
  readonly creators: ReadonlySet<string>;
  readonly events: StoredEvent[];
  readonly byId: Map<string, StoredEvent>;
  /** Events by what they relate to, oldest first. */
  readonly related: Map<string, StoredEvent[]>;
  readonly state: Map<string, StoredEvent>;
  readonly stateEvents: StoredEvent[];
  /** Membership events per user, oldest first. */
  readonly memberships: Map<string, StoredEvent[]>;
  readonly receipts: Map<string, Receipt>;
  readonly typing: Map<string, number>;
  typingPosition: number;
}

export interface ToDevice {
  readonly position: number;
  readonly message: JsonObject;
}

export interface FallbackKey {
  readonly keyId: string;
  readonly key: Json;
  used: boolean;
}

export interface Device {
  readonly userId: string;
  readonly deviceId: string;
  displayName: string | null;
  keys: JsonObject | null;
  readonly oneTimeKeys: Map<string, Json>;
  /** By ID of one-time and fallback keys: every key that was ever uploaded under it, claimed or not. No server remembers it; tests do. */
  readonly keysEver: Map<string, Set<Json>>;
  readonly fallbackKeys: Map<string, FallbackKey>;
  inbox: ToDevice[];
  /** Members whose event this device was sent already (lazy loading). */
  readonly membersSent: Map<string, Set<string>>;
  /** The `since` of the sync before the last one, for the duplicate-sync fault. */
  previousSince: string | null;
  readonly syncCache: Map<string, { readonly until: number; readonly body: JsonObject }>;
}

export interface AccountDatum {
  readonly type: string;
  readonly roomId: string | null;
  readonly content: JsonObject;
  readonly position: number;
}

export interface Backup {
  readonly version: string;
  readonly algorithm: string;
  authData: JsonObject;
  etag: number;
  deleted: boolean;
  readonly sessions: Map<string, JsonObject>;
}

export interface User {
  readonly userId: string;
  readonly password: string;
  readonly admin: boolean;
  /** Exempt from rate limits, as by the admin API of Synapse. */
  unlimited: boolean;
  readonly devices: Map<string, Device>;
  readonly accountData: Map<string, AccountDatum>;
  readonly filters: JsonObject[];
  readonly profile: Map<string, Json>;
  readonly crossSigning: Map<string, JsonObject>;
  readonly backups: Backup[];
  /** Leave events after which /messages was asked once (see `messagesAfterLeave`). */
  readonly leavesNoticed: Set<string>;
  /** When the keys or devices of the user last changed. */
  keysPosition: number;
}

export interface Session {
  readonly serial: number;
  readonly accessToken: string;
  readonly userId: string;
  readonly deviceId: string;
  readonly refreshToken: string | null;
  expiresAt: number | null;
  /** Its access token was used at least once. */
  used: boolean;
  /** What its refresh token gave, the last time that it was used. */
  next: Session | null;
  /** Long polls of this session, ended by logout. */
  readonly onEnd: Set<() => void>;
}

export type DelayedEventForm = "shipped" | "body" | "accepted";

export interface DelayedEvent {
  readonly id: string;
  readonly userId: string;
  readonly delayMs: number;
  readonly since: number;
  readonly send: () => void;
  readonly described: JsonObject;
  cancel: () => void;
}

/** How time passes for what waits: long polls and delayed events. */
export interface ServerTimers {
  readonly monoMs: () => number;
  /** Calls back once; returns the cancellation. */
  readonly after: (delayMs: number, callback: () => void) => () => void;
}

export interface World {
  readonly profile: Profile;
  readonly serverName: string;
  readonly sharedSecret: string;
  readonly accessTokenLifetimeMs: number;
  readonly delayedEventMaxMs: number | null;
  readonly delayedEventForm: DelayedEventForm;
  readonly now: () => number;
  readonly timers: ServerTimers;
  position: number;
  serial: number;
  readonly users: Map<string, User>;
  readonly sessions: Map<string, Session>;
  readonly refreshTokens: Map<string, Session>;
  readonly loginTokens: Map<string, string>;
  readonly nonces: Set<string>;
  readonly rooms: Map<string, Room>;
  readonly aliases: Map<string, { readonly roomId: string; readonly creator: string }>;
  readonly transactions: Map<string, JsonObject>;
  readonly media: Map<
    string,
    { readonly contentType: string; readonly bytes: Buffer; readonly name: string | null }
  >;
  readonly delayed: Map<string, DelayedEvent>;
  readonly userInteractive: Map<string, string>;
  /** Long polls, woken after each change. */
  readonly waiters: Set<() => void>;
  /** Tests that wait for a condition, woken after each change, request and answer. */
  readonly watchers: Set<() => void>;
}

export interface WorldOptions {
  readonly profile: Profile;
  readonly serverName: string;
  readonly sharedSecret: string;
  readonly accessTokenLifetimeMs: number;
  readonly delayedEventMaxMs: number | null;
  readonly delayedEventForm: DelayedEventForm;
  readonly now: () => number;
  readonly timers: ServerTimers;
}

export const createWorld = (options: WorldOptions): World => ({
  ...options,
  position: 1,
  serial: 0,
  users: new Map(),
  sessions: new Map(),
  refreshTokens: new Map(),
  loginTokens: new Map(),
  nonces: new Set(),
  rooms: new Map(),
  aliases: new Map(),
  transactions: new Map(),
  media: new Map(),
  delayed: new Map(),
  userInteractive: new Map(),
  waiters: new Set(),
  watchers: new Set(),
});

export const nextPosition = (world: World): number => {
  world.position += 1;
  return world.position;
};

/** Wakes whoever waits. Called once a change is whole, never in its middle. */
export const announce = (world: World): void => {
  for (const wake of [...world.waiters]) wake();
  notice(world);
};

/** Something happened that changes nothing: only tests want to know. */
export const notice = (world: World): void => {
  for (const look of [...world.watchers]) look();
};

/** An identifier nobody has seen before and nobody should parse: 43 characters as a SHA-256 in unpadded base64url. */
export const freshId = (world: World, kind: string): string => {
  world.serial += 1;
  return createHash("sha256").update(`${kind}\0${world.serverName}\0${world.serial}`).digest("base64url");
};

export const stateKeyOf = (type: string, stateKey: string): string => `${type}\0${stateKey}`;

export const stateOf = (room: Room, type: string, stateKey = ""): StoredEvent | null =>
  room.state.get(stateKeyOf(type, stateKey)) ?? null;
