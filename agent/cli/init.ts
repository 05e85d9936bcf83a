// `petrel init`: asks five questions and writes a first configuration with comments, which `petrel check` accepts as it is.
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { parseConfig } from "#agent/config/config.ts";
import { CliError, EXIT } from "#agent/exit.ts";
import { driverKinds } from "#agent/ingest/registry.ts";
import type { Outside } from "#agent/outside.ts";
import { ask } from "./prompt.ts";
import { configPath } from "./setting.ts";

export interface InitOptions {
  readonly force: boolean;
  readonly device?: string;
  readonly homeserver?: string;
  readonly user?: string;
  readonly operator?: string;
  readonly source?: string;
}

const SOURCES: Readonly<Record<string, string>> = {
  simulator: `  drone:
    type: simulator          # a made-up drone; replace it by what you have
`,
  serial: `  gps:
    type: serial
    path: /dev/serial/by-id/REPLACE-ME   # ls /dev/serial/by-id
    baud: 9600
`,
  mqtt: `  broker:
    type: mqtt
    url: mqtt://127.0.0.1:1883
    subscriptions:
      - filter: "sensors/#"
`,
  none: "  {}\n",
};

const quote = (text: string): string => JSON.stringify(text);

interface Answers {
  readonly device: string;
  readonly homeserver: string;
  readonly user: string;
  readonly operator: string;
  readonly source: string;
}

const homeserverLine = (homeserver: string): string =>
  homeserver.includes("://")
    ? `  url: ${quote(homeserver)}`
    : `  server: ${quote(homeserver)}        # its address is discovered; or give it: url: https://...`;

const render = ({
  device,
  homeserver,
  operator,
  source,
  user,
}: Answers): string => `# Petrel, first configuration. What every key means: docs/configuration.md
# Check it with: petrel check        Log in once with: petrel login        Then: petrel run
version: 1

device:
  name: ${quote(device)}              # what readers of the rooms will see

homeserver:
${homeserverLine(homeserver)}
  user: ${quote(user)}
  # petrel login asks for the password and keeps the session. Or say where the password lies:
  # password: { file: /etc/petrel/password }

rooms:
  # Without room IDs the agent makes two rooms: one for data, one for people.
  # data: { room: "!id:example.org" }
  # people: { room: "#site:example.org" }
  operators: ${operator === "" ? "[]            # user IDs that are invited and may command" : `[${quote(operator)}]`}

drivers:
${SOURCES[source] ?? ""}
# channels:
#   battery/voltage: { label: Battery, unit: V }

# commands:
#   list:
#     relay:
#       help: switches the relay
#       args: { state: { one_of: ["on", "off"] } }
#       write: { driver: broker, target: relay/set, payload: "{state}" }
`;

const answers = async (outside: Outside, options: InitOptions): Promise<Answers> => {
  const given = (value: string | undefined, question: string, fallback: string): Promise<string> =>
    value === undefined ? ask(outside, question, fallback) : Promise.resolve(value);
  const device = await given(options.device, "name of this device", "drone-1");
  const homeserver = await given(options.homeserver, "homeserver (example.org, or an address)", "matrix.org");
  const user = await given(options.user, "user of the device", device);
  const operator = await given(options.operator, "your own user ID, to be invited (empty: nobody)", "");
  const source = await given(
    options.source,
    `first source (${Object.keys(SOURCES).join(", ")})`,
    "simulator",
  );
  if (!Object.hasOwn(SOURCES, source))
    throw new CliError(
      EXIT.usage,
      `source: expected one of ${Object.keys(SOURCES).join(", ")}, got "${source}"`,
    );
  return { device, homeserver, user, operator, source };
};

export const init = async (
  outside: Outside,
  configFile: string | undefined,
  options: InitOptions,
): Promise<number> => {
  const path = configPath(outside, configFile);
  if (existsSync(path) && !options.force)
    throw new CliError(
      EXIT.config,
      `${path} is there already: --force writes over it, --config names another place`,
    );
  const text = render(await answers(outside, options));
  // What was answered may be wrong (a name with a space): said now, by the same rules as ever, and nothing is written.
  await parseConfig(path, text, driverKinds);
  try {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text, { mode: 0o644 });
  } catch (error) {
    throw new CliError(
      EXIT.config,
      `cannot write ${path}: ${error instanceof Error ? error.message : String(error)}; --config names another place`,
      { cause: error },
    );
  }
  outside.stdout.write(`wrote ${path}\nnext: petrel login, then petrel run\n`);
  return 0;
};
