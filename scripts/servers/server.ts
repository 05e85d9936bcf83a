// What Synapse and Dendrite have in common here: a folder, a port, a process, users by shared secret.
import { createHmac, randomBytes } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { call, text } from "#test/peers/http.ts";
import { freePort, type Running, startChild, untilReady } from "./child.ts";
import type { AddUserOptions, RealServer, ServerOptions, ServerUser } from "./types.ts";

const START_MS = 60_000;
export const SHARED_SECRET = "petrel-loopback-secret";

export interface Place {
  readonly folder: string;
  readonly port: number;
  readonly serverName: string;
}

export interface ServerKind {
  readonly name: "synapse" | "dendrite";
  readonly command: string;
  /** Writes what the server needs into its folder and returns its arguments. */
  readonly prepare: (place: Place) => Promise<readonly string[]>;
  readonly liftLimits: (url: string, user: ServerUser) => Promise<void>;
  /** Whether `liftLimits` for a user means making it an admin. */
  readonly liftsByAdmin: boolean;
}

const register = async (url: string, name: string, options: AddUserOptions): Promise<ServerUser> => {
  const path = "/_synapse/admin/v1/register";
  const nonce = text((await call(url, "GET", path)).json, "nonce");
  const password = options.password ?? randomBytes(12).toString("base64url");
  const admin = options.admin === true;
  const mac = createHmac("sha1", SHARED_SECRET)
    .update([nonce, name, password, admin ? "admin" : "notadmin"].join("\0"))
    .digest("hex");
  const answer = await call(url, "POST", path, { body: { nonce, username: name, password, admin, mac } });
  if (answer.status !== 200)
    throw new Error(`registering ${name}: expected 200, got ${answer.status} ${answer.text}`);
  return {
    userId: text(answer.json, "user_id"),
    accessToken: text(answer.json, "access_token"),
    deviceId: text(answer.json, "device_id"),
    password,
  };
};

const answers = async (url: string): Promise<boolean> => {
  try {
    return (await call(url, "GET", "/_matrix/client/versions")).status === 200;
  } catch {
    return false;
  }
};

const placeOf = async (kind: ServerKind, options: ServerOptions): Promise<Place> => {
  const folder =
    options.folder === undefined
      ? mkdtempSync(join(tmpdir(), `petrel-${kind.name}-`))
      : resolve(options.folder);
  mkdirSync(folder, { recursive: true });
  return { folder, port: options.port ?? (await freePort()), serverName: options.serverName ?? "localhost" };
};

const launch = async (
  kind: ServerKind,
  args: readonly string[],
  place: Place,
  url: string,
): Promise<Running> => {
  const running = startChild(kind.command, args, place.folder);
  await untilReady(running, () => answers(url), START_MS);
  return running;
};

const addUser = async (
  kind: ServerKind,
  url: string,
  name: string,
  options: AddUserOptions,
): Promise<ServerUser> => {
  const admin = options.admin === true || (options.liftLimits === true && kind.liftsByAdmin);
  const user = await register(url, name, { ...options, admin });
  if (options.liftLimits === true && !kind.liftsByAdmin) await kind.liftLimits(url, user);
  return user;
};

export const startServer = async (kind: ServerKind, options: ServerOptions): Promise<RealServer> => {
  const place = await placeOf(kind, options);
  const url = `http://127.0.0.1:${place.port}`;
  const clean = (): void => {
    if (options.folder === undefined) rmSync(place.folder, { recursive: true, force: true });
  };
  let running: Running;
  let args: readonly string[];
  try {
    args = await kind.prepare(place);
    running = await launch(kind, args, place, url);
  } catch (error) {
    clean();
    throw error;
  }
  return {
    name: kind.name,
    url,
    serverName: place.serverName,
    folder: place.folder,
    pid: () => running.pid,
    addUser: (name, more = {}) => addUser(kind, url, name, more),
    restart: async () => {
      if (running.isAlive()) await running.stop();
      running = await launch(kind, args, place, url);
    },
    kill: () => running.kill(),
    stop: async () => {
      if (running.isAlive()) await running.stop();
      clean();
    },
  };
};

export const liftByAdmin = (): ((url: string, user: ServerUser) => Promise<void>) => {
  let admin: ServerUser | null = null;
  return async (url, user) => {
    admin ??= await register(url, `lifter-${randomBytes(4).toString("hex")}`, { admin: true });
    const path = `/_synapse/admin/v1/users/${encodeURIComponent(user.userId)}/override_ratelimit`;
    const answer = await call(url, "POST", path, {
      token: admin.accessToken,
      body: { messages_per_second: 0, burst_count: 0 },
    });
    if (answer.status !== 200) throw new Error(`lifting limits: got ${answer.status} ${answer.text}`);
  };
};
