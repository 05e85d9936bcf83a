// A real Synapse on loopback: installed from PyPI into the cache (a venv), started with SQLite and its own rate limits, users by shared secret.
//   node scripts/synapse.ts --json --user alice --user bob:admin
// Imported by tests: `startSynapse(options)`, and `synapseAvailable()` for `needs("synapse", ...)`.
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { cached, cacheFolder, isCached, mustHavePeers } from "./servers/cache.ts";
import { runChild, which } from "./servers/child.ts";
import { main } from "./servers/cli.ts";
import { liftByAdmin, type Place, SHARED_SECRET, startServer } from "./servers/server.ts";
import { type RealServer, type ServerOptions, ServerUnavailable } from "./servers/types.ts";

const VERSION = "1.163.2";
const NAME = `synapse-${VERSION}`;
const WITNESS = "bin/synctl";
const PYTHON_MIN = [3, 10] as const;

const pythonPath = (): string | null => which(process.env["PETREL_PYTHON"] ?? "python3");

const requirePython = (): string => {
  const python = pythonPath();
  const need = `Synapse needs Python ${PYTHON_MIN.join(".")} or newer with the venv module`;
  if (python === null)
    throw new ServerUnavailable(`${need}, found none: apt-get install python3 python3-venv`);
  const probe = spawnSync(python, ["-c", "import sys, venv, ensurepip; print(*sys.version_info[:2])"], {
    encoding: "utf8",
  });
  if (probe.status !== 0) {
    throw new ServerUnavailable(`${need}, ${python} has no venv or ensurepip: apt-get install python3-venv`);
  }
  const [major = 0, minor = 0] = probe.stdout.split(" ").map(Number);
  if (major < PYTHON_MIN[0] || (major === PYTHON_MIN[0] && minor < PYTHON_MIN[1])) {
    throw new ServerUnavailable(`${need}, ${python} is ${major}.${minor}: set PETREL_PYTHON to a newer one`);
  }
  return python;
};

/** Installs on first use (about 40 s, 242 MB); returns the folder. */
export const installSynapse = async (progress: (line: string) => void = () => undefined): Promise<string> => {
  if (isCached(NAME, WITNESS)) return join(cacheFolder(), NAME);
  const python = requirePython();
  progress(`installing matrix-synapse ${VERSION} into ${cacheFolder()} (about 40 s, 242 MB) ...`);
  return cached(NAME, WITNESS, async (folder) => {
    await runChild(python, ["-m", "venv", folder], cacheFolder());
    const pip = [
      "-m",
      "pip",
      "install",
      "--disable-pip-version-check",
      "--progress-bar=off",
      `matrix-synapse==${VERSION}`,
    ];
    const tell = (line: string): void => {
      if (/^(Collecting|Installing)/.test(line)) progress(`  ${line.slice(0, 100)}`);
    };
    await runChild(join(folder, "bin/python"), pip, cacheFolder(), tell);
  });
};

/** For `needs("synapse", synapseAvailable(), ...)`: there, or to be installed because the run demands it; null is missing. */
export const synapseAvailable = (): string | null => {
  if (isCached(NAME, WITNESS)) return join(cacheFolder(), NAME);
  return mustHavePeers() ? pythonPath() : null;
};

const LIFTED = { per_second: 10_000, burst_count: 10_000 };
const LIFTED_LIMITS = {
  rc_message: LIFTED,
  rc_registration: LIFTED,
  rc_login: { address: LIFTED, account: LIFTED, failed_attempts: LIFTED },
  rc_joins: { local: LIFTED, remote: LIFTED },
  rc_joins_per_room: LIFTED,
  rc_key_requests: LIFTED,
  rc_invites: { per_room: LIFTED, per_user: LIFTED, per_issuer: LIFTED },
  rc_third_party_invite: LIFTED,
  rc_media_create: LIFTED,
  rc_presence: { per_user: LIFTED },
  rc_delayed_event_mgmt: LIFTED,
  rc_room_creation: LIFTED,
};

const LOGGING = {
  version: 1,
  formatters: { plain: { format: "%(asctime)s %(levelname)s %(name)s %(message)s" } },
  handlers: { file: { class: "logging.FileHandler", filename: "homeserver.log", formatter: "plain" } },
  root: { level: "WARNING", handlers: ["file"] },
  disable_existing_loggers: false,
};

/** JSON is YAML, so no YAML library is needed. Each key's reason: without it Synapse refuses to start, or reaches for the network. */
const configOf = (place: Place, options: ServerOptions): Record<string, unknown> => ({
  server_name: place.serverName,
  public_baseurl: `http://127.0.0.1:${place.port}/`,
  report_stats: false,
  trusted_key_servers: [],
  pid_file: join(place.folder, "homeserver.pid"),
  listeners: [
    { port: place.port, type: "http", bind_addresses: ["127.0.0.1"], resources: [{ names: ["client"] }] },
  ],
  database: { name: "sqlite3", args: { database: join(place.folder, "homeserver.db") } },
  media_store_path: join(place.folder, "media"),
  signing_key_path: join(place.folder, "signing.key"),
  log_config: join(place.folder, "log.yaml"),
  registration_shared_secret: SHARED_SECRET,
  bcrypt_rounds: 4,
  max_event_delay_duration: "24h",
  ...(options.liftLimits === true ? LIFTED_LIMITS : {}),
  ...options.config,
});

export const startSynapse = async (options: ServerOptions = {}): Promise<RealServer> => {
  const venv = await installSynapse(options.progress);
  options.progress?.("starting Synapse (about 2 s) ...");
  return startServer(
    {
      name: "synapse",
      command: join(venv, "bin/python"),
      liftsByAdmin: false,
      liftLimits: liftByAdmin(),
      prepare: async (place) => {
        const path = join(place.folder, "homeserver.yaml");
        writeFileSync(path, JSON.stringify(configOf(place, options), null, 2), { mode: 0o600 });
        writeFileSync(join(place.folder, "log.yaml"), JSON.stringify(LOGGING, null, 2));
        return ["-m", "synapse.app.homeserver", "-c", path];
      },
    },
    options,
  );
};

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await main({ name: "synapse", install: installSynapse, start: startSynapse });
}
