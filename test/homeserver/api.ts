// What a test sees of the loopback homeserver. README.md tells it with examples.
import type { FaultHandle, FaultKind, FaultSpec } from "./faults.ts";
import type { JsonObject } from "./json.ts";
import type { ProfileName } from "./profile.ts";
import type { WellKnown } from "./well-known.ts";
import type { DelayedEventForm, ServerTimers, StoredEvent, World } from "./world.ts";

export interface HomeserverOptions {
  readonly profile?: ProfileName;
  readonly serverName?: string;
  /** "default": what the profile's server limits out of the box. */
  readonly rateLimits?: "off" | "default";
  /** With rate limits: logins too (5, then one in 333 s on Synapse). Default true. */
  readonly limitLogins?: boolean;
  /** Delayed events (synapse profile only) up to this many ms; null as on an unconfigured server. */
  readonly delayedEventMaxMs?: number | null;
  /** Which form of MSC4140: as Synapse ships it (default), its older one with the action in the body only, or the accepted one. */
  readonly delayedEventForm?: DelayedEventForm;
  readonly accessTokenLifetimeMs?: number;
  readonly sharedSecret?: string;
  /** Milliseconds since the epoch; the default is the real clock. */
  readonly now?: () => number;
  /** How time passes for long polls and delayed events; the default is real time. */
  readonly timers?: ServerTimers;
}

export interface AddUserOptions {
  readonly password?: string;
  readonly admin?: boolean;
  readonly deviceId?: string;
  /** Exempt from rate limits. */
  readonly liftLimits?: boolean;
}

export interface TestUser {
  readonly userId: string;
  readonly accessToken: string;
  readonly deviceId: string;
  readonly password: string;
}

export interface RequestRecord {
  readonly method: string;
  readonly path: string;
  readonly query: string;
  readonly at: number;
  fault: FaultKind["kind"] | null;
  /** 0: the socket was destroyed; null: not answered yet. */
  status: number | null;
}

export interface RequestMatch {
  readonly method?: string;
  readonly path?: RegExp;
  readonly status?: number;
}

export interface InjectedEvent {
  readonly roomId: string;
  readonly sender: string;
  readonly type: string;
  readonly content: JsonObject;
  readonly stateKey?: string;
  readonly ts?: number;
}

export interface Homeserver {
  readonly url: string;
  readonly serverName: string;
  readonly profile: ProfileName;
  /** Everything the server knows, for inspection. */
  readonly world: World;
  addUser(name: string, options?: AddUserOptions): Promise<TestUser>;
  /** A one-time token for `m.login.token`. */
  loginToken(userId: string): string;
  /** Access tokens of the user answer 401 with soft_logout true from now on. */
  expireTokens(userId: string): void;
  /** Access tokens of the user answer 401 as unknown from now on. */
  revokeTokens(userId: string): void;
  events(roomId: string): readonly StoredEvent[];
  /** Puts an event into a room as if its sender had sent it, no rule asked. */
  inject(event: InjectedEvent): StoredEvent;
  requests(match?: RequestMatch): readonly RequestRecord[];
  countRequests(match?: RequestMatch): number;
  /** Resolves when `condition` holds; asked again after each change and each answer. Rejects after `timeoutMs` (default 10,000). */
  waitUntil(condition: () => boolean, timeoutMs?: number): Promise<void>;
  fault(spec: FaultSpec): FaultHandle;
  clearFaults(): void;
  /** Shifts origin_server_ts and the Date header. */
  setClockOffset(offsetMs: number): void;
  setWellKnown(wellKnown: WellKnown): void;
  /** Nobody listens until `online()`; data is kept, connections are cut. */
  offline(): Promise<void>;
  online(): Promise<void>;
  /** Off and on again, on the same port, forgetting what the profile's server forgets. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}
