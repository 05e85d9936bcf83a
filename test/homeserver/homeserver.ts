// The loopback homeserver: the Client-Server API (v1.x) of one server, in memory, on 127.0.0.1 and a port of the system's choosing. Starts in
// milliseconds. README.md says what it serves and what its knobs are.
import { createUser, endSession, openSession, userOf } from "./accounts.ts";
import type {
  AddUserOptions,
  Homeserver,
  HomeserverOptions,
  InjectedEvent,
  RequestMatch,
  RequestRecord,
  TestUser,
} from "./api.ts";
import type { Route } from "./call.ts";
import { resumeDelayed, stopDelayed } from "./delayed.ts";
import { createFaultBook } from "./faults.ts";
import { defaultLimits, noLimits } from "./limiter.ts";
import { profiles } from "./profile.ts";
import { append } from "./rooms.ts";
import { accountRoutes } from "./routes/account.ts";
import { backupRoutes } from "./routes/backup.ts";
import { delayedRoutes } from "./routes/delayed.ts";
import { eventRoutes } from "./routes/events.ts";
import { historyRoutes } from "./routes/history.ts";
import { keyRoutes } from "./routes/keys.ts";
import { mediaRoutes } from "./routes/media.ts";
import { roomRoutes } from "./routes/rooms.ts";
import { syncRoutes } from "./routes/sync.ts";
import { createServing, type Serving } from "./serving.ts";
import type { WellKnown } from "./well-known.ts";
import {
  announce,
  createWorld,
  freshId,
  type ServerTimers,
  type Session,
  type StoredEvent,
  type World,
} from "./world.ts";

export type { AddUserOptions, Homeserver, HomeserverOptions, RequestRecord, TestUser } from "./api.ts";

const routes: readonly Route[] = [
  ...syncRoutes,
  ...eventRoutes,
  ...historyRoutes,
  ...roomRoutes,
  ...accountRoutes,
  ...keyRoutes,
  ...backupRoutes,
  ...mediaRoutes,
  ...delayedRoutes,
];

const WAIT_MS = 10_000;
const TIMER_MAX_MS = 2_147_483_647;

const realTimers: ServerTimers = {
  monoMs: () => performance.now(),
  after: (delayMs, callback) => {
    const timer = setTimeout(callback, Math.min(delayMs, TIMER_MAX_MS)).unref();
    return () => clearTimeout(timer);
  },
};

const matching =
  (match: RequestMatch) =>
  (record: RequestRecord): boolean =>
    (match.method ?? record.method) === record.method &&
    (match.path?.test(record.path) ?? true) &&
    (match.status === undefined || match.status === record.status);

const waitUntil = (world: World, condition: () => boolean, timeoutMs: number): Promise<void> =>
  new Promise((resolve, reject) => {
    const finish = (error: Error | null): void => {
      clearTimeout(timer);
      world.watchers.delete(check);
      if (error === null) resolve();
      else reject(error);
    };
    const check = (): void => {
      if (condition()) finish(null);
    };
    const timer = setTimeout(
      () => finish(new Error(`homeserver: condition not met in ${timeoutMs} ms: ${String(condition)}`)),
      timeoutMs,
    );
    world.watchers.add(check);
    check();
  });

const addUser = (world: World, name: string, options: AddUserOptions): TestUser => {
  const password = options.password ?? `password of ${name}`;
  const user = createUser(world, { name, password, admin: options.admin === true });
  user.unlimited = options.liftLimits === true;
  const wish = { deviceId: options.deviceId ?? null, displayName: null, refresh: false };
  const { userId, accessToken, deviceId } = openSession(world, user, wish);
  return { userId, accessToken, deviceId, password };
};

const sessionsOf = (world: World, userId: string): Session[] =>
  [...world.sessions.values()].filter((session) => session.userId === userId);

const inject = (world: World, event: InjectedEvent): StoredEvent => {
  const room = world.rooms.get(event.roomId);
  if (room === undefined) throw new RangeError(`homeserver: no room ${event.roomId}`);
  const { sender, type, content } = event;
  const how = event.ts === undefined ? {} : { ts: event.ts };
  const stored = append(world, room, { type, sender, stateKey: event.stateKey ?? null, content }, how);
  announce(world);
  return stored;
};

const loginToken = (world: World, userId: string): string => {
  const token = freshId(world, "login");
  world.loginTokens.set(token, userOf(world, userId).userId);
  return token;
};

/** What a restart loses: answers kept in memory, and on some servers the transaction IDs. */
const forget = (world: World): void => {
  if (!world.profile.transactionsSurviveRestart) world.transactions.clear();
  for (const user of world.users.values())
    for (const device of user.devices.values()) device.syncCache.clear();
};

const restart = async (world: World, serving: Serving): Promise<void> => {
  await serving.offline();
  stopDelayed(world);
  forget(world);
  resumeDelayed(world);
  await serving.online();
};

const worldOf = (options: HomeserverOptions, now: () => number): World =>
  createWorld({
    profile: profiles[options.profile ?? "synapse"],
    serverName: options.serverName ?? "localhost",
    sharedSecret: options.sharedSecret ?? "loopback",
    accessTokenLifetimeMs: options.accessTokenLifetimeMs ?? 300_000,
    delayedEventMaxMs: options.delayedEventMaxMs === undefined ? 86_400_000 : options.delayedEventMaxMs,
    delayedEventForm: options.delayedEventForm ?? "shipped",
    now,
    timers: options.timers ?? realTimers,
  });

export const startHomeserver = async (options: HomeserverOptions = {}): Promise<Homeserver> => {
  const clock = options.now ?? Date.now;
  const knobs: { offsetMs: number; wellKnown: WellKnown } = { offsetMs: 0, wellKnown: { kind: "self" } };
  const world = worldOf(options, () => clock() + knobs.offsetMs);
  const faults = createFaultBook();
  const limiter =
    options.rateLimits === "default" ? defaultLimits(world, options.limitLogins !== false) : noLimits;
  const serving = createServing({ world, limiter, faults, routes, wellKnown: () => knobs.wellKnown });
  await serving.online();
  const requests = (match: RequestMatch = {}): RequestRecord[] => serving.log.filter(matching(match));
  return {
    url: serving.url(),
    serverName: world.serverName,
    profile: world.profile.name,
    world,
    addUser: (name, more = {}) => Promise.resolve(addUser(world, name, more)),
    loginToken: (userId) => loginToken(world, userId),
    expireTokens: (userId) => {
      for (const session of sessionsOf(world, userId)) session.expiresAt = world.now();
    },
    revokeTokens: (userId) => {
      for (const session of sessionsOf(world, userId)) endSession(world, session);
    },
    events: (roomId) => world.rooms.get(roomId)?.events ?? [],
    inject: (event) => inject(world, event),
    requests,
    countRequests: (match) => requests(match).length,
    waitUntil: (condition, timeoutMs = WAIT_MS) => waitUntil(world, condition, timeoutMs),
    fault: faults.add,
    clearFaults: faults.clear,
    setClockOffset: (ms) => {
      knobs.offsetMs = ms;
    },
    setWellKnown: (spec) => {
      knobs.wellKnown = spec;
    },
    offline: serving.offline,
    online: serving.online,
    restart: () => restart(world, serving),
    stop: async () => {
      stopDelayed(world);
      await serving.offline();
    },
  };
};
