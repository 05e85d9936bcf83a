// What the rest of the agent knows of Matrix: plain values, one client, one error type. Clauses: Client-Server API v1.19 (matrix-spec).
import type { Database } from "#agent/store/store.ts";

export type JsonValue = null | boolean | number | string | readonly JsonValue[] | JsonObject;
export interface JsonObject {
  readonly [key: string]: JsonValue | undefined;
}

/** An event as a client gets it (Client-Server API, "Room event format"). Everything in it is the server's word. */
export interface RoomEvent {
  readonly eventId: string;
  readonly roomId: string;
  readonly type: string;
  readonly sender: string;
  readonly originServerTs: number;
  readonly content: JsonObject;
  readonly stateKey?: string;
  readonly unsigned: JsonObject;
}

/** How an event reached us: its place matters to whoever acts on it (DESIGN 7: what came out of a gap is old). */
export type Provenance = "initial" | "live" | "gap";

/** What is known of an event that came encrypted. */
export interface Opened {
  /** The sending device; null where nobody could be found who made the key. */
  readonly deviceId: string | null;
  /** What a client would show beside it; null: nothing is wrong. */
  readonly shield: string | null;
}

export interface TimelineEvent {
  readonly event: RoomEvent;
  readonly provenance: Provenance;
  /** It came encrypted, and `event` is what was inside. */
  readonly opened?: Opened;
}

/** One answer of /sync, gaps filled, events seen before removed. */
export interface SyncBatch {
  readonly nextBatch: string;
  /** True for the first batch without a `since`: history, not news. */
  readonly initial: boolean;
  readonly joined: ReadonlyMap<string, JoinedRoom>;
  readonly invited: ReadonlyMap<string, readonly JsonObject[]>;
  readonly left: ReadonlySet<string>;
  readonly toDevice: readonly JsonObject[];
  readonly deviceLists: { readonly changed: readonly string[]; readonly left: readonly string[] };
  /** Absent key of the classic sync means 0 (e2ee.md 1.4): `null` only when the server sent no counts at all. */
  readonly oneTimeKeyCounts: Readonly<Record<string, number>> | null;
  readonly unusedFallbackKeyTypes: readonly string[] | null;
  readonly accountData: readonly JsonObject[];
}

export interface JoinedRoom {
  readonly timeline: readonly TimelineEvent[];
  /** State changes, in order, those of the timeline included. */
  readonly state: readonly RoomEvent[];
  /** A gap of this room was too long to be filled within the stated bound: what lay in it is unknown. */
  readonly truncated: boolean;
}

/** Whoever wants what a sync brought. `apply` runs inside the transaction that stores the position; `committed` after it is durable. */
export interface SyncConsumer {
  apply(batch: SyncBatch, database: Database): void;
  committed?(batch: SyncBatch): void;
}

/** Opens what came encrypted, in the transaction that stores the position; the consumers get what it gives back. */
export interface SyncOpener {
  /** Ahead of that transaction, as long as it takes, in pieces: nothing is stored. */
  rehearse?(batch: SyncBatch): Promise<void>;
  open(batch: SyncBatch, database: Database): SyncBatch;
  /** After that is durable. */
  opened(): void;
}

export interface PowerLevels {
  /** Infinity for a creator of a version 12 room. */
  userLevel(userId: string): number;
  eventLevel(type: string, isState: boolean): number;
}

export interface CreateRoomOptions {
  readonly name?: string;
  readonly topic?: string;
  readonly alias?: string;
  readonly invite?: readonly string[];
  readonly preset?: "private_chat" | "public_chat" | "trusted_private_chat";
  readonly encrypted?: boolean;
  readonly powerLevelEvents?: Readonly<Record<string, number>>;
  readonly roomVersion?: string;
  readonly initialState?: readonly JsonObject[];
}

export interface MessagesPage {
  readonly events: readonly RoomEvent[];
  readonly start: string;
  /** Absent at the end of the room. */
  readonly end: string | null;
}

/** The endpoints that the agent uses, each one call and no retry: who retries asks `retryDelayMs`. All reject with `MatrixError`. */
export interface MatrixClient {
  readonly userId: string;
  readonly deviceId: string;
  readonly baseUrl: string;
  whoami(): Promise<{ readonly userId: string; readonly deviceId: string | null }>;
  createRoom(options: CreateRoomOptions): Promise<string>;
  join(roomIdOrAlias: string, via?: readonly string[]): Promise<string>;
  leave(roomId: string): Promise<void>;
  invite(roomId: string, userId: string): Promise<void>;
  joinedRooms(): Promise<readonly string[]>;
  joinedMembers(roomId: string): Promise<readonly string[]>;
  resolveAlias(alias: string): Promise<{ readonly roomId: string; readonly servers: readonly string[] }>;
  powerLevels(roomId: string): Promise<PowerLevels>;
  send(roomId: string, type: string, transactionId: string, content: JsonObject): Promise<string>;
  sendState(roomId: string, type: string, stateKey: string, content: JsonObject): Promise<string>;
  getState(roomId: string, type: string, stateKey: string): Promise<JsonObject | null>;
  redact(roomId: string, eventId: string, transactionId: string, reason?: string): Promise<string>;
  receipt(roomId: string, eventId: string): Promise<void>;
  getEvent(roomId: string, eventId: string): Promise<RoomEvent | null>;
  messages(
    roomId: string,
    query: { from?: string; to?: string; direction: "b" | "f"; limit: number },
  ): Promise<MessagesPage>;
  sendToDevice(type: string, transactionId: string, messages: JsonObject): Promise<void>;
  /** The largest file that the server takes, or null where it names no limit. Asked once. */
  uploadBytesMax(): Promise<number | null>;
  upload(content: Uint8Array, contentType: string, filename?: string): Promise<string>;
  download(mxcUri: string, bytesMax: number): Promise<Uint8Array>;
  capabilities(): Promise<JsonObject>;
  versions(): Promise<{
    readonly versions: readonly string[];
    readonly unstable: Readonly<Record<string, boolean>>;
  }>;
  /** Any other endpoint (keys, account data, delayed events): path below the host, JSON in and out. */
  request(
    method: "GET" | "POST" | "PUT" | "DELETE",
    path: string,
    options?: RequestOptions,
  ): Promise<JsonObject>;
}

export interface RequestOptions {
  readonly body?: JsonObject;
  readonly query?: Readonly<Record<string, string>>;
  /** How long the first byte of the answer may take. */
  readonly timeoutMs?: number;
  /** Ends this one request early, with kind "aborted". */
  readonly signal?: AbortSignal;
}

export type MatrixErrorKind =
  | "refused" // the server understood and said no: errcode and status tell
  | "limited" // 429
  | "unavailable" // 5xx, or an answer that is no JSON (a proxy's page)
  | "network" // no answer: in doubt whether the request was acted on
  | "local" // refused here before it was sent: a float, an oversize event, a bad key
  | "auth" // the token is not (or no longer) valid
  | "aborted"; // we are stopping

export class MatrixError extends Error {
  readonly kind: MatrixErrorKind;
  readonly status: number | null;
  readonly errcode: string | null;
  readonly retryAfterMs: number | null;
  /** With kind "auth": the server keeps the device, a new login with the same device ID goes on. */
  readonly softLogout: boolean;
  /** Whether the server may have acted on the request all the same: what was sent is looked for before it is sent again (DESIGN 5). */
  readonly inDoubt: boolean;
  /** The server's own JSON (interactive authentication needs it). Not enumerable: it is no text for a log. */
  declare readonly body: JsonObject | null;
  constructor(
    kind: MatrixErrorKind,
    message: string,
    details: {
      status?: number;
      errcode?: string;
      retryAfterMs?: number;
      softLogout?: boolean;
      inDoubt?: boolean;
      body?: JsonObject;
      cause?: unknown;
    } = {},
  ) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = "MatrixError";
    this.kind = kind;
    this.status = details.status ?? null;
    this.errcode = details.errcode ?? null;
    this.retryAfterMs = details.retryAfterMs ?? null;
    this.softLogout = details.softLogout ?? false;
    this.inDoubt = details.inDoubt ?? false;
    Object.defineProperty(this, "body", { value: details.body ?? null, enumerable: false });
  }
}
