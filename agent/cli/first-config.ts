// The first configuration as text: what `petrel init` writes, with comments that say where to go on.

export interface Answers {
  readonly device: string;
  readonly homeserver: string;
  readonly user: string;
  readonly operator: string;
  readonly source: string;
}

type Source = (answers: Answers) => string;

const SOURCES: Readonly<Record<string, Source>> = {
  simulator: () => `  drone:
    type: simulator          # a made-up drone; replace it by what you have
`,
  serial: () => `  gps:
    type: serial
    path: /dev/serial/by-id/REPLACE-ME   # ls /dev/serial/by-id
    baud: 9600
`,
  mqtt: ({ device }) => `  broker:
    type: mqtt
    url: mqtt://127.0.0.1:1883
    client_id: ${quote(`petrel-${device}`)}   # the broker keeps what arrives meanwhile under this name
    subscriptions:
      - filter: "sensors/#"
    # username: petrel
    # password: { file: /etc/petrel/mqtt-password }
`,
  none: () => "  {}\n",
};

export const SOURCE_NAMES: readonly string[] = Object.keys(SOURCES);

// JSON's strings are YAML's.
const quote = (text: string): string => JSON.stringify(text);

const homeserverLine = (homeserver: string): string =>
  homeserver.includes("://")
    ? `  url: ${quote(homeserver)}`
    : `  server: ${quote(homeserver)}        # its address is discovered; or give it: url: https://...`;

export const renderConfig = (
  answers: Answers,
): string => `# Petrel, first configuration. What every key means: docs/configuration.md
# Check it with: petrel check        Log in once with: petrel login        Then: petrel run
version: 1

device:
  name: ${quote(answers.device)}              # what readers of the rooms will see

homeserver:
${homeserverLine(answers.homeserver)}
  user: ${quote(answers.user)}
  # petrel login asks for the password and keeps the session. Or say where the password lies:
  # password: { file: /etc/petrel/password }

rooms:
  # Without room IDs the agent makes two rooms: one for data, one for people.
  # data: { room: "!id:example.org" }
  # people: { room: "#site:example.org" }
  operators: ${answers.operator === "" ? "[]            # user IDs that are invited and may command" : `[${quote(answers.operator)}]`}

drivers:
${SOURCES[answers.source]?.(answers) ?? ""}
# channels:
#   battery/voltage: { label: Battery, unit: V }

# commands:
#   list:
#     relay:
#       help: switches the relay
#       args: { state: { one_of: ["on", "off"] } }
#       write: { driver: broker, target: relay/set, payload: "{state}" }
`;
