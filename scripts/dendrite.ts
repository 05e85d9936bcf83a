// A real Dendrite on loopback: built from the Go module proxy into the cache, started with SQLite and its own rate limits, users by shared secret.
//   node scripts/dendrite.ts --json --user alice
// Imported by tests: `startDendrite(options)`, and `dendriteAvailable()` for `needs("dendrite", ...)`.
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { cached, cacheFolder, isCached, mustHavePeers } from "./servers/cache.ts";
import { runChild, which } from "./servers/child.ts";
import { main } from "./servers/cli.ts";
import { type Place, SHARED_SECRET, startServer } from "./servers/server.ts";
import { type RealServer, type ServerOptions, ServerUnavailable } from "./servers/types.ts";

const VERSION = "v0.15.2";
const NAME = `dendrite-${VERSION.slice(1)}`;
const WITNESS = "bin/dendrite";
const MODULE = "github.com/element-hq/dendrite/cmd";
/** All three in one `go get`, or the build stops on a missing checksum. */
const COMMANDS = ["dendrite", "create-account", "generate-keys"] as const;

const goPath = (): string | null => which(process.env["PETREL_GO"] ?? "go");

/** Builds on first use (about 2 minutes cold, 12 s warm, 100 MB); returns the folder. */
export const installDendrite = async (
  progress: (line: string) => void = () => undefined,
): Promise<string> => {
  if (isCached(NAME, WITNESS)) return join(cacheFolder(), NAME);
  const go = goPath();
  if (go === null) {
    throw new ServerUnavailable(
      "Dendrite is built with Go 1.26 or newer, found none: apt-get install golang, or set PETREL_GO",
    );
  }
  progress(`building Dendrite ${VERSION} into ${cacheFolder()} (about 2 minutes) ...`);
  return cached(NAME, WITNESS, async (folder) => {
    writeFileSync(join(folder, "go.mod"), "module dtool\n\ngo 1.26\n");
    const tell = (line: string): void => progress(`  ${line.slice(0, 100)}`);
    await runChild(
      go,
      ["get", "-tool", ...COMMANDS.map((name) => `${MODULE}/${name}@${VERSION}`)],
      folder,
      tell,
    );
    progress("  compiling ...");
    await runChild(go, ["build", "-o", "bin/", ...COMMANDS.map((name) => `${MODULE}/${name}`)], folder, tell);
  });
};

/** For `needs("dendrite", dendriteAvailable(), ...)`: there, or to be built because the run demands it; null is missing. */
export const dendriteAvailable = (): string | null => {
  if (isCached(NAME, WITNESS)) return join(cacheFolder(), NAME);
  return mustHavePeers() ? goPath() : null;
};

/** Each part wants a database of its own; several connections to one SQLite file would wait for each other. */
const database = (place: Place, name: string): { connection_string: string } => ({
  connection_string: `file:${join(place.folder, `${name}.db`)}`,
});

const configOf = (place: Place, options: ServerOptions): Record<string, unknown> => ({
  version: 2,
  global: {
    server_name: place.serverName,
    private_key: join(place.folder, "matrix_key.pem"),
    disable_federation: true,
    jetstream: { in_memory: true },
  },
  client_api: {
    registration_disabled: true,
    registration_shared_secret: SHARED_SECRET,
    // Without the section it allows 5 at once; its sample configuration, which people deploy, says 20.
    rate_limiting: { enabled: options.liftLimits !== true, threshold: 20, cooloff_ms: 500 },
  },
  federation_api: { database: database(place, "federation") },
  key_server: { database: database(place, "keys") },
  relay_api: { database: database(place, "relay") },
  room_server: { database: database(place, "rooms") },
  sync_api: { database: database(place, "sync") },
  mscs: { database: database(place, "mscs") },
  media_api: { database: database(place, "media"), base_path: join(place.folder, "media") },
  user_api: { account_database: database(place, "accounts"), bcrypt_cost: 4 },
  ...options.config,
});

export const startDendrite = async (options: ServerOptions = {}): Promise<RealServer> => {
  const folder = await installDendrite(options.progress);
  const program = (name: (typeof COMMANDS)[number]): string => join(folder, "bin", name);
  return startServer(
    {
      name: "dendrite",
      command: program("dendrite"),
      liftsByAdmin: true,
      liftLimits: () => Promise.resolve(),
      prepare: async (place) => {
        const key = join(place.folder, "matrix_key.pem");
        if (!existsSync(key)) await runChild(program("generate-keys"), ["--private-key", key], place.folder);
        const path = join(place.folder, "dendrite.yaml");
        writeFileSync(path, JSON.stringify(configOf(place, options), null, 2), { mode: 0o600 });
        return ["-config", path, "-http-bind-address", `127.0.0.1:${place.port}`];
      },
    },
    options,
  );
};

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await main({ name: "dendrite", install: installDendrite, start: startDendrite });
}
