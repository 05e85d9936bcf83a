// The command line that scripts/synapse.ts and scripts/dendrite.ts share: start, print who may log in, run until interrupted.
import { parseArgs } from "node:util";
import { type RealServer, type ServerOptions, ServerUnavailable, type ServerUser } from "./types.ts";

const HELP = `[options]
  --user <name>    register a user, may be repeated; <name>:admin makes an admin (default: alice and bob)
  --lift-limits    rates out of the way; default: the server's own limits
  --port <n>       default: chosen free
  --folder <path>  keep data there; default: a temporary folder, removed at the end
  --json           one JSON line {url, serverName, pid, users} on stdout once it answers
  --install        only install into the cache (PETREL_CACHE, or .cache in the project)`;

const argsOf = () =>
  parseArgs({
    options: {
      user: { type: "string", multiple: true, default: ["alice", "bob"] },
      "lift-limits": { type: "boolean", default: false },
      port: { type: "string" },
      folder: { type: "string" },
      json: { type: "boolean", default: false },
      install: { type: "boolean", default: false },
      help: { type: "boolean", short: "h", default: false },
    },
  }).values;

const interrupted = (): Promise<void> =>
  new Promise((resolve) => {
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(signal, () => resolve());
  });

const show = (server: RealServer, users: readonly ServerUser[], asJson: boolean): void => {
  const { url, serverName } = server;
  if (asJson) {
    console.log(JSON.stringify({ url, serverName, pid: server.pid(), users }));
    return;
  }
  console.log(`${server.name} answers at ${url} (server name ${serverName}). Ctrl-C stops it.`);
  for (const user of users)
    console.log(`  ${user.userId}  password ${user.password}  token ${user.accessToken}`);
};

const addAll = async (
  server: RealServer,
  names: readonly string[],
  liftLimits: boolean,
): Promise<ServerUser[]> => {
  const users: ServerUser[] = [];
  for (const entry of names) {
    const [name = "", role] = entry.split(":");
    users.push(await server.addUser(name, { admin: role === "admin", liftLimits }));
  }
  return users;
};

export interface Peer {
  readonly name: string;
  readonly install: (progress: (line: string) => void) => Promise<string>;
  readonly start: (options: ServerOptions) => Promise<RealServer>;
}

const runServer = async (peer: Peer, values: ReturnType<typeof argsOf>): Promise<void> => {
  const progress = (line: string): void => console.error(line);
  if (values.install) {
    console.log(await peer.install(progress));
    return;
  }
  const stopped = interrupted();
  const server = await peer.start({
    progress,
    liftLimits: values["lift-limits"],
    ...(values.port === undefined ? {} : { port: Number(values.port) }),
    ...(values.folder === undefined ? {} : { folder: values.folder }),
  });
  try {
    show(server, await addAll(server, values.user, false), values.json);
    await stopped;
  } finally {
    await server.stop();
  }
};

export const main = async (peer: Peer): Promise<void> => {
  try {
    const values = argsOf();
    if (values.help) console.log(`usage: node scripts/${peer.name}.ts ${HELP}`);
    else await runServer(peer, values);
  } catch (error) {
    const isExpected = error instanceof ServerUnavailable;
    console.error(`${peer.name}: ${error instanceof Error ? error.message : String(error)}`);
    process.exitCode = isExpected ? 69 : 1; // 69: EX_UNAVAILABLE
  }
};
