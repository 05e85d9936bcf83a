// Discovery, login, sessions, devices, profiles, account data, filters, capabilities.
import { createHmac, randomBytes } from "node:crypto";
import { createUser, ensureDevice, openSession, refreshSession, removeDevice, userOf } from "../accounts.ts";
import { type Call, open, param, type Route, type SignedCall, signed } from "../call.ts";
import { ROOM_VERSIONS } from "../creation.ts";
import { passInteractive } from "../interactive.ts";
import { isObject, type JsonObject, objectAt, stringAt } from "../json.ts";
import { touchKeys } from "../keys.ts";
import { badRequest, forbidden, notFound, Refusal } from "../refusal.ts";
import { announce, nextPosition, type Session, type User, type World } from "../world.ts";

const versions = ({ world }: Call): JsonObject => ({
  versions: [...world.profile.versions],
  unstable_features: {
    "org.matrix.msc4140":
      world.profile.delayedEvents &&
      world.delayedEventMaxMs !== null &&
      world.delayedEventForm !== "accepted",
    ...world.profile.unstableFeatures,
  },
});

const loginFlows = (): JsonObject => ({ flows: [{ type: "m.login.password" }, { type: "m.login.token" }] });

const userNamed = (world: World, name: string): User | null =>
  world.users.get(name.startsWith("@") ? name : `@${name}:${world.serverName}`) ?? null;

const byPassword = (world: World, body: JsonObject): User => {
  const identifier = objectAt(body, "identifier");
  const name = identifier === null ? stringAt(body, "user") : stringAt(identifier, "user");
  if (name === null) throw badRequest("M_MISSING_PARAM", "No identifier");
  const user = userNamed(world, name);
  if (user === null || user.password !== stringAt(body, "password")) {
    throw forbidden("Invalid username or password");
  }
  return user;
};

const byToken = (world: World, body: JsonObject): User => {
  const token = stringAt(body, "token") ?? "";
  const userId = world.loginTokens.get(token);
  if (userId === undefined) throw forbidden("Invalid login token");
  world.loginTokens.delete(token);
  return userOf(world, userId);
};

const sessionBody = (world: World, session: Session): JsonObject => ({
  user_id: session.userId,
  access_token: session.accessToken,
  device_id: session.deviceId,
  home_server: world.serverName,
  ...refreshBody(world, session),
});

const refreshBody = (world: World, session: Session): JsonObject =>
  session.refreshToken === null || session.expiresAt === null
    ? {}
    : { refresh_token: session.refreshToken, expires_in_ms: session.expiresAt - world.now() };

const wishOf = (body: JsonObject): Parameters<typeof openSession>[2] => ({
  deviceId: stringAt(body, "device_id"),
  displayName: stringAt(body, "initial_device_display_name"),
  refresh: body["refresh_token"] === true,
});

const login = ({ world, limiter, body }: Call): JsonObject => {
  const wanted = body();
  limiter.spend("login", "address", null);
  const type = stringAt(wanted, "type");
  if (type !== "m.login.password" && type !== "m.login.token") {
    throw badRequest("M_UNKNOWN", `Unknown login type ${type}`);
  }
  const user = type === "m.login.password" ? byPassword(world, wanted) : byToken(world, wanted);
  return sessionBody(world, openSession(world, user, wishOf(wanted)));
};

const refresh = ({ world, body }: Call): JsonObject => {
  if (!world.profile.refreshTokens) throw new Refusal(404, "M_UNRECOGNIZED", "Unrecognized request");
  const token = stringAt(body(), "refresh_token");
  if (token === null) throw badRequest("M_MISSING_PARAM", "No refresh_token");
  const session = refreshSession(world, token);
  return { access_token: session.accessToken, ...refreshBody(world, session) };
};

const registerNonce = ({ world }: Call): JsonObject => {
  const nonce = randomBytes(16).toString("hex");
  world.nonces.add(nonce);
  return { nonce };
};

/** Synapse's shared-secret registration, which Dendrite has too. */
const registerShared = ({ world, body }: Call): JsonObject => {
  const wanted = body();
  const nonce = stringAt(wanted, "nonce") ?? "";
  if (!world.nonces.delete(nonce)) throw badRequest("M_UNKNOWN", "unrecognised nonce");
  const [name, password] = [stringAt(wanted, "username") ?? "", stringAt(wanted, "password") ?? ""];
  const admin = wanted["admin"] === true;
  const signedText = [nonce, name, password, admin ? "admin" : "notadmin"].join("\0");
  const expected = createHmac("sha1", world.sharedSecret).update(signedText).digest("hex");
  if (stringAt(wanted, "mac") !== expected) throw forbidden("HMAC incorrect");
  const user = createUser(world, { name, password, admin });
  return sessionBody(world, openSession(world, user, wishOf(wanted)));
};

const overrideRateLimit = ({ world, user, body, params }: SignedCall): JsonObject => {
  if (!user.admin) throw forbidden("You are not a server admin");
  userOf(world, params["userId"] ?? "").unlimited = body()["messages_per_second"] === 0;
  return { messages_per_second: 0, burst_count: 0 };
};

const logout = ({ world, session }: SignedCall): JsonObject => {
  removeDevice(world, session.userId, session.deviceId);
  return {};
};

const logoutAll = ({ world, user }: SignedCall): JsonObject => {
  for (const deviceId of [...user.devices.keys()]) removeDevice(world, user.userId, deviceId);
  return {};
};

const whoami = ({ session }: SignedCall): JsonObject => ({
  user_id: session.userId,
  device_id: session.deviceId,
  is_guest: false,
});

const capabilities = ({ world }: SignedCall): JsonObject => ({
  capabilities: {
    "m.room_versions": {
      default: world.profile.defaultRoomVersion,
      available: Object.fromEntries(ROOM_VERSIONS.map((version) => [version, "stable"])),
    },
    "m.change_password": { enabled: true },
    ...(world.profile.delayedEvents && world.delayedEventMaxMs !== null
      ? {
          [world.delayedEventForm === "accepted" ? "m.delayed_events" : "org.matrix.msc4140.delayed_events"]:
            { max_delay_ms: world.delayedEventMaxMs, max_scheduled: 100 },
        }
      : {}),
  },
});

const deviceView = (user: User, deviceId: string): JsonObject => {
  const device = user.devices.get(deviceId);
  if (device === undefined) throw notFound("No such device");
  return { device_id: deviceId, display_name: device.displayName ?? "", user_id: user.userId };
};

const renameDevice = ({ world, user, params, body }: SignedCall): JsonObject => {
  const deviceId = params["deviceId"] ?? "";
  deviceView(user, deviceId);
  ensureDevice(user, deviceId).displayName = stringAt(body(), "display_name");
  touchKeys(world, user);
  return {};
};

const deleteDevice = (call: SignedCall): JsonObject => {
  passInteractive(call);
  removeDevice(call.world, call.user.userId, param(call, "deviceId"));
  return {};
};

const getProfile = ({ world, params }: Call): JsonObject => {
  const fields = Object.fromEntries(userOf(world, params["userId"] ?? "").profile);
  const field = params["field"];
  if (field === undefined) return fields;
  refuseCustomField(world, field);
  const value = fields[field];
  if (value === undefined) throw notFound("No such profile field");
  return { [field]: value };
};

const refuseCustomField = (world: World, field: string): void => {
  if (!world.profile.extras && !["displayname", "avatar_url"].includes(field)) {
    throw new Refusal(404, "M_UNRECOGNIZED", "Unrecognized request");
  }
};

const putProfile = (call: SignedCall): JsonObject => {
  const field = param(call, "field");
  refuseCustomField(call.world, field);
  if (param(call, "userId") !== call.user.userId) throw forbidden("Cannot set another user's profile");
  call.user.profile.set(field, call.body()[field] ?? null);
  return {};
};

const accountDataKey = (call: SignedCall): string => `${call.params["roomId"] ?? ""}\0${param(call, "type")}`;

const ownOnly = (call: SignedCall): void => {
  if (param(call, "userId") !== call.user.userId) throw forbidden("Cannot use the data of other users.");
};

const putAccountData = (call: SignedCall): JsonObject => {
  ownOnly(call);
  const datum = {
    type: param(call, "type"),
    roomId: call.params["roomId"] ?? null,
    content: call.body(),
    position: nextPosition(call.world),
  };
  call.user.accountData.set(accountDataKey(call), datum);
  announce(call.world);
  return {};
};

const getAccountData = (call: SignedCall): JsonObject => {
  ownOnly(call);
  const datum = call.user.accountData.get(accountDataKey(call));
  if (datum === undefined) throw notFound("Account data not found");
  return datum.content;
};

const postFilter = (call: SignedCall): JsonObject => {
  ownOnly(call);
  call.user.filters.push(call.body());
  return { filter_id: String(call.user.filters.length - 1) };
};

const getFilter = (call: SignedCall): JsonObject => {
  ownOnly(call);
  const filter = call.user.filters[Number(param(call, "filterId"))];
  if (!isObject(filter)) throw notFound("No such filter");
  return filter;
};

const CLIENT = "/_matrix/client/v3";

export const accountRoutes: readonly Route[] = [
  open("GET", "/_matrix/client/versions", versions),
  open("GET", `${CLIENT}/login`, loginFlows),
  open("POST", `${CLIENT}/login`, login),
  open("POST", `${CLIENT}/refresh`, refresh),
  open("GET", "/_synapse/admin/v1/register", registerNonce),
  open("POST", "/_synapse/admin/v1/register", registerShared),
  signed("POST", "/_synapse/admin/v1/users/:userId/override_ratelimit", overrideRateLimit),
  signed("POST", `${CLIENT}/logout`, logout),
  signed("POST", `${CLIENT}/logout/all`, logoutAll),
  signed("GET", `${CLIENT}/account/whoami`, whoami),
  signed("GET", `${CLIENT}/capabilities`, capabilities),
  signed("GET", `${CLIENT}/devices`, ({ user }) => ({
    devices: [...user.devices.keys()].map((deviceId) => deviceView(user, deviceId)),
  })),
  signed("GET", `${CLIENT}/devices/:deviceId`, (call) => deviceView(call.user, param(call, "deviceId"))),
  signed("PUT", `${CLIENT}/devices/:deviceId`, renameDevice),
  signed("DELETE", `${CLIENT}/devices/:deviceId`, deleteDevice),
  open("GET", `${CLIENT}/profile/:userId`, getProfile),
  open("GET", `${CLIENT}/profile/:userId/:field`, getProfile),
  signed("PUT", `${CLIENT}/profile/:userId/:field`, putProfile),
  signed("PUT", `${CLIENT}/user/:userId/account_data/:type`, putAccountData),
  signed("GET", `${CLIENT}/user/:userId/account_data/:type`, getAccountData),
  signed("PUT", `${CLIENT}/user/:userId/rooms/:roomId/account_data/:type`, putAccountData),
  signed("GET", `${CLIENT}/user/:userId/rooms/:roomId/account_data/:type`, getAccountData),
  signed("POST", `${CLIENT}/user/:userId/filter`, postFilter),
  signed("GET", `${CLIENT}/user/:userId/filter/:filterId`, getFilter),
  signed("GET", `${CLIENT}/pushrules/`, () => ({ global: {} })),
  signed("GET", `${CLIENT}/pushers`, () => ({ pushers: [] })),
  signed("GET", `${CLIENT}/voip/turnServer`, () => ({})),
  signed("PUT", `${CLIENT}/presence/:userId/status`, () => ({})),
];
