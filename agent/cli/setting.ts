// What every verb begins with: the configuration file, found, read and validated; the state folder; the store key.
import { existsSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { MIGRATIONS } from "#agent/agent.ts";
import { type Config, parseConfig } from "#agent/config/config.ts";
import { defaultPaths } from "#agent/config/paths.ts";
import { readSecret, type SecretSource } from "#agent/config/secrets.ts";
import { SOCKET_NAME } from "#agent/control/protocol.ts";
import { CliError, EXIT } from "#agent/exit.ts";
import { driverKinds } from "#agent/ingest/registry.ts";
import type { Outside } from "#agent/outside.ts";
import type { Runtime } from "#agent/runtime.ts";
import { ensureFolder } from "#agent/store/files.ts";
import { createKeyFile, readKeyFile } from "#agent/store/key-file.ts";
import { openStore } from "#agent/store/open.ts";
import { type Store, StoreError } from "#agent/store/store.ts";

export interface Setting {
  readonly configFile: string;
  readonly config: Config;
  readonly stateFolder: string;
  readonly secrets: SecretSource;
}

export const secretSource = (outside: Outside): SecretSource => ({
  environment: outside.environment,
  readFile: (path) => readFileSync(path),
});

const readConfigFile = (path: string): string => {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : String(error);
    const hint = code === "ENOENT" ? "; `petrel init` writes a first one, --config names another place" : "";
    throw new CliError(EXIT.config, `cannot read the configuration ${path} (${code})${hint}`, {
      cause: error,
    });
  }
};

export const configPath = (outside: Outside, named: string | undefined): string =>
  named ?? defaultPaths(outside.environment, outside.superuser).config;

/** How the program is to be called with this configuration, for "next: ..." lines. */
export const commandOf = (named: string | undefined): string =>
  named === undefined ? "petrel" : `petrel --config ${named}`;

export const loadSetting = async (outside: Outside, named: string | undefined): Promise<Setting> => {
  const configFile = configPath(outside, named);
  const config = await parseConfig(configFile, readConfigFile(configFile), driverKinds);
  const stateFolder = config.device.state ?? defaultPaths(outside.environment, outside.superuser).state;
  return { configFile, config, stateFolder, secrets: secretSource(outside) };
};

/** The running agent's control socket. */
export const socketOf = ({ stateFolder }: Setting): string => join(stateFolder, SOCKET_NAME);

/** The homeserver as the operator wrote it. */
export const serverOf = ({ config }: Setting): string =>
  config.homeserver.url ?? config.homeserver.server ?? "";

const KEY_BYTES = 32;

/** A store key that lies elsewhere than in its default file: raw bytes, or text of 64 hexadecimal digits. */
const referredKey = (setting: Setting): Uint8Array | null => {
  const ref = setting.config.device.store_key;
  if (ref === undefined) return null;
  if ("file" in ref) return readKeyFile(ref.file);
  const text = readSecret(setting.secrets, ref, "device.store_key");
  const key = /^[0-9a-f]{64}$/i.test(text) ? new Uint8Array(Buffer.from(text, "hex")) : null;
  if (key?.length !== KEY_BYTES)
    throw new StoreError("KEY", "device.store_key: expected 64 hexadecimal digits (32 bytes)");
  return key;
};

const storeFileOf = ({ stateFolder }: Setting): string => join(stateFolder, "petrel.db");

/** False before the first start: who only looks makes nothing, least of all as another user than the agent's. */
export const hasStore = (setting: Setting): boolean => existsSync(storeFileOf(setting));

const ensureStateFolder = (folder: string): void => {
  const refuse = (why: string, cause?: unknown): CliError =>
    new CliError(EXIT.store, `state folder ${folder}: ${why}; device.state names another place`, { cause });
  try {
    ensureFolder(folder);
    if (statSync(folder).isDirectory()) return;
  } catch (error) {
    throw refuse(`cannot be used (${error instanceof Error ? error.message : String(error)})`, error);
  }
  throw refuse("expected a folder, found something else");
};

/** Opens this device's store; makes the folder and the key at the first start. */
export const openOwnStore = async (outside: Outside, setting: Setting, runtime: Runtime): Promise<Store> => {
  ensureStateFolder(setting.stateFolder);
  const keyFile = join(setting.stateFolder, "store.key");
  const storeFile = storeFileOf(setting);
  const key = referredKey(setting) ?? ownKey(keyFile, storeFile, runtime);
  return openStore({
    path: storeFile,
    key,
    migrations: MIGRATIONS,
    runtime,
    holder: `pid ${outside.pid}`,
    workerUrl: outside.worker,
  });
};

/** The key beside the store. A store without its key is never given a new one: it could not be read with it. */
const ownKey = (keyFile: string, storeFile: string, runtime: Runtime): Uint8Array => {
  if (existsSync(keyFile)) return readKeyFile(keyFile);
  if (existsSync(storeFile))
    throw new StoreError(
      "KEY",
      `${storeFile} is there, but its key ${keyFile} is not: bring the key back, or move the store away to begin anew`,
    );
  return createKeyFile(keyFile, runtime.random);
};
