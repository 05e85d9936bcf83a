// Users, devices and sessions (Client-Server API, "Client authentication"). A session is one access token; a device may outlive several.
import { Refusal } from "./refusal.ts";
import { type Device, freshId, nextPosition, type Session, type User, type World } from "./world.ts";

export interface NewUser {
  readonly name: string;
  readonly password: string;
  readonly admin: boolean;
}

export const createUser = (world: World, { name, password, admin }: NewUser): User => {
  const userId = `@${name}:${world.serverName}`;
  if (world.users.has(userId)) throw new Refusal(400, "M_USER_IN_USE", "User ID already taken.");
  const user: User = {
    userId,
    password,
    admin,
    unlimited: false,
    devices: new Map(),
    accountData: new Map(),
    filters: [],
    profile: new Map([["displayname", name]]),
    crossSigning: new Map(),
    backups: [],
    leavesNoticed: new Set(),
    keysPosition: 0,
  };
  world.users.set(userId, user);
  return user;
};

export const userOf = (world: World, userId: string): User => {
  const user = world.users.get(userId);
  if (user === undefined) throw new Refusal(404, "M_NOT_FOUND", `Unknown user ${userId}`);
  return user;
};

export const deviceOf = (world: World, session: Session): Device =>
  ensureDevice(userOf(world, session.userId), session.deviceId);

export const ensureDevice = (user: User, deviceId: string): Device => {
  const known = user.devices.get(deviceId);
  if (known !== undefined) return known;
  const device: Device = {
    userId: user.userId,
    deviceId,
    displayName: null,
    keys: null,
    oneTimeKeys: new Map(),
    keysEver: new Map(),
    fallbackKeys: new Map(),
    inbox: [],
    membersSent: new Map(),
    previousSince: null,
    syncCache: new Map(),
  };
  user.devices.set(deviceId, device);
  return device;
};

const newSession = (world: World, userId: string, deviceId: string, withRefresh: boolean): Session => {
  const session: Session = {
    serial: world.serial + 1,
    accessToken: `syt_${freshId(world, "token")}`,
    userId,
    deviceId,
    refreshToken: withRefresh ? `syr_${freshId(world, "refresh")}` : null,
    expiresAt: withRefresh ? world.now() + world.accessTokenLifetimeMs : null,
    used: false,
    next: null,
    onEnd: new Set(),
  };
  world.sessions.set(session.accessToken, session);
  if (session.refreshToken !== null) world.refreshTokens.set(session.refreshToken, session);
  return session;
};

export const endSession = (world: World, session: Session): void => {
  world.sessions.delete(session.accessToken);
  if (session.refreshToken !== null) world.refreshTokens.delete(session.refreshToken);
  for (const end of [...session.onEnd]) end();
};

const sessionsOf = (world: World, userId: string, deviceId: string | null): Session[] =>
  [...world.sessions.values()].filter(
    (session) => session.userId === userId && (deviceId === null || session.deviceId === deviceId),
  );

export interface SessionWish {
  readonly deviceId: string | null;
  readonly displayName: string | null;
  readonly refresh: boolean;
}

/** A new session; with the ID of a device that exists, what becomes of its older sessions is the profile's. */
export const openSession = (world: World, user: User, wish: SessionWish): Session => {
  const deviceId = wish.deviceId ?? freshId(world, "device").slice(0, 10).toUpperCase();
  const isKnown = user.devices.has(deviceId);
  if (isKnown && !world.profile.reloginKeepsOldToken) {
    for (const old of sessionsOf(world, user.userId, deviceId)) endSession(world, old);
  }
  const device = ensureDevice(user, deviceId);
  if (wish.displayName !== null && !isKnown) device.displayName = wish.displayName;
  return newSession(world, user.userId, deviceId, wish.refresh && world.profile.refreshTokens);
};

/** Removes a device with everything of it: logout does (Client-Server API, "Soft logout" explains the difference). */
export const removeDevice = (world: World, userId: string, deviceId: string): void => {
  const user = userOf(world, userId);
  user.devices.delete(deviceId);
  user.keysPosition = nextPosition(world);
  for (const session of sessionsOf(world, userId, deviceId)) endSession(world, session);
};

/**
 * A refresh token is used up once what it gave was used, be it the access token or the refresh token; until then it may be tried again, and what it gave before
 * is void. Of a chain the last two are kept (Synapse 1.163, handlers/auth.py `refresh_token`, storage `replace_refresh_token`).
 */
export const refreshSession = (world: World, refreshToken: string): Session => {
  const session = world.refreshTokens.get(refreshToken);
  if (session === undefined) throw new Refusal(401, "M_UNKNOWN_TOKEN", "invalid refresh token");
  const given = session.next;
  if (given !== null && (given.used || given.next !== null))
    throw new Refusal(403, "M_FORBIDDEN", "refresh token isn't valid anymore");
  if (given !== null) endSession(world, given);
  for (const before of [...world.refreshTokens.values()])
    if (before.next === session) endSession(world, before);
  session.next = newSession(world, session.userId, session.deviceId, true);
  return session.next;
};

const unknownToken = (world: World, isSoft: boolean): Refusal => {
  const field = world.profile.softLogoutField || isSoft ? { soft_logout: isSoft } : {};
  return new Refusal(
    401,
    "M_UNKNOWN_TOKEN",
    isSoft ? "Access token has expired" : "Invalid access token passed.",
    field,
  );
};

/** The session of an access token, or the 401 that the profile's server answers. */
export const authenticate = (world: World, token: string | null): Session => {
  if (token === null) throw new Refusal(401, "M_MISSING_TOKEN", "Missing access token.");
  const session = world.sessions.get(token);
  if (session === undefined) throw unknownToken(world, false);
  if (session.expiresAt !== null && session.expiresAt <= world.now()) throw unknownToken(world, true);
  session.used = true;
  return session;
};
