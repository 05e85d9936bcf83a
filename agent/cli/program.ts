// The command line: every verb, its options and help. A verb is a file of this folder, loaded when it is called.
import { Argument, Command, CommanderError, InvalidArgumentError, Option } from "commander";
import { ConfigError } from "#agent/config/document.ts";
import { EXIT, exitCodeOf, messageOf } from "#agent/exit.ts";
import type { Outside } from "#agent/outside.ts";
import { FORMATS } from "#agent/subscriptions/format.ts";
import { VERSION } from "#agent/version.ts";
import type { AuditOptions } from "./audit.ts";
import type { CheckOptions } from "./check.ts";
import type { DecodeOptions } from "./decode.ts";
import { addDevice } from "./device-program.ts";
import type { ExportOptions } from "./export.ts";
import { addIdentity } from "./identity-program.ts";
import type { InitOptions } from "./init.ts";
import type { InviteOptions } from "./invite.ts";
import type { LoginOptions } from "./login.ts";
import type { MetricsOptions } from "./metrics.ts";
import type { OutboxAction, OutboxOptions } from "./outbox.ts";
import type { SendOptions } from "./send.ts";
import type { StatusOptions } from "./status.ts";
import type { TailOptions } from "./tail.ts";

interface GlobalOptions {
  readonly config?: string;
}

/** A verb resolves with its exit code. */
type Verb = (configFile: string | undefined) => Promise<number>;

export interface Wiring {
  readonly outside: Outside;
  readonly program: Command;
  /** Runs a verb with the configuration that the command line names, and keeps its exit code. */
  readonly does: (verb: Verb) => Promise<void>;
}

const JSON_OPTION = ["--json", "for scripts: JSON instead of text"] as const;

const naturalNumber = (text: string): number => {
  if (!/^\d{1,4}$/.test(text)) throw new InvalidArgumentError("expected a number from 0 to 9999");
  return Number(text);
};

const baseProgram = (outside: Outside): Command =>
  new Command("petrel")
    .description("A Matrix client agent for edge devices: readings up, commands down, nothing lost.")
    .version(VERSION, "-V, --version", "print the version")
    .option(
      "-c, --config <file>",
      "the configuration file (default: /etc/petrel/petrel.yaml, or ~/.config/petrel/petrel.yaml)",
    )
    .configureOutput({
      writeOut: (text) => outside.stdout.write(text),
      writeErr: (text) => outside.stderr.write(text),
      getOutHelpWidth: () => outside.stdout.columns,
      getErrHelpWidth: () => outside.stderr.columns,
      outputError: (text, write) => write(text.replace(/^error: /, "petrel: ")),
    })
    .showHelpAfterError("(petrel --help shows what there is)")
    .addHelpText(
      "after",
      "\nExit codes: 0 done, 1 failed, 2 usage, 3 configuration, 4 store, 5 refused by the homeserver,\n6 homeserver not reachable, 7 a copy of this store, 10 no agent runs (status), 130 interrupted.\nWhat each command prints, and examples: docs/cli.md",
    )
    .exitOverride();

const addRunning = ({ does, outside, program }: Wiring): void => {
  program
    .command("run")
    .description("run the agent until it is told to stop")
    .action(() => does(async (config) => (await import("./run.ts")).run(outside, config)));
  program
    .command("status")
    .description("how the running agent is; exit code 10 where none runs")
    .option(...JSON_OPTION)
    .action((options: StatusOptions) =>
      does(async (config) => (await import("./status.ts")).status(outside, config, options)),
    );
};

const addMetrics = ({ does, outside, program }: Wiring): void => {
  program
    .command("metrics")
    .description("the running agent's metrics, as a Prometheus gets them; exit code 10 where none runs")
    .option("--openmetrics", "in the format of OpenMetrics")
    .action((options: MetricsOptions) =>
      does(async (config) => (await import("./metrics.ts")).metrics(outside, config, options)),
    );
};

const addSettingUp = ({ does, outside, program }: Wiring): void => {
  program
    .command("init")
    .description("write a first configuration, by asking")
    .option("--force", "write over a file that is there")
    .option("--device <name>", "answer: name of this device")
    .option("--homeserver <server>", "answer: server name or address")
    .option("--user <user>", "answer: the device's account")
    .option("--operator <user>", "answer: your own user ID")
    .option("--source <kind>", "answer: simulator, serial, mqtt or none")
    .action((options: InitOptions) =>
      does(async (config) => (await import("./init.ts")).init(outside, config, options)),
    );
  program
    .command("check")
    .description("say whether the configuration is right, and where not")
    .option("--online", "ask the homeserver too")
    .option(...JSON_OPTION)
    .action((options: CheckOptions) =>
      does(async (config) => (await import("./check.ts")).check(outside, config, options)),
    );
  program
    .command("login")
    .description("log in and keep the session; the password is asked for, or one line of standard input")
    .option("--token", "read an access token instead of a password")
    .option("--new-device", "log in as a new device, after a logout")
    .option(...JSON_OPTION)
    .action((options: LoginOptions) =>
      does(async (config) => (await import("./login.ts")).login(outside, config, options)),
    );
};

const addTalking = ({ does, outside, program }: Wiring): void => {
  program
    .command("send")
    .description("send a message through the agent's outbox")
    .argument("<text...>", "the message; with --type, the event's content as JSON")
    .addOption(new Option("--room <which>", "into which room").choices(["people", "data"]).default("people"))
    .option("--type <event-type>", "send an event of this type instead of a message")
    .option(...JSON_OPTION)
    .action((words: string[], options: SendOptions) =>
      does(async (config) => (await import("./send.ts")).send(outside, config, words, options)),
    );
  program
    .command("invite")
    .description("invite somebody into a room of the agent's, with the keys of what was sent before")
    .argument("<user>", "whom: a user ID")
    .addOption(new Option("--room <which>", "into which room").choices(["people", "data"]).default("people"))
    .option("--no-history", "without those keys: they read what is sent from then on")
    .option(...JSON_OPTION)
    .action((user: string, options: InviteOptions) =>
      does(async (config) => (await import("./invite.ts")).invite(outside, config, user, options)),
    );
  program
    .command("tail")
    .description("follow a room's telemetry, decoded (the own data room unless told)")
    .option("--room <id>", "another room, by its ID or alias")
    .addOption(
      new Option("-n, --past <number>", "telemetry events of the past to begin with")
        .default(10)
        .argParser(naturalNumber),
    )
    .option(...JSON_OPTION)
    .action((options: TailOptions) =>
      does(async (config) => (await import("./tail.ts")).tail(outside, config, options)),
    );
};

const formatOption = (): Option =>
  new Option("--format <format>", "what to write").choices(FORMATS).default("jsonl");

const addOutbox = ({ does, outside, program }: Wiring): void => {
  program
    .command("outbox")
    .description("the events that the homeserver refused for good, and what is to become of them")
    .addArgument(new Argument("<action>", "what to do").choices(["list", "show", "retry", "drop"]))
    .argument("[number]", "of which event; all: of every one")
    .option(...JSON_OPTION)
    .action((action: OutboxAction, which: string | undefined, options: OutboxOptions) =>
      does(async (config) => (await import("./outbox.ts")).outbox(outside, config, action, which, options)),
    );
};

const addReading = ({ does, outside, program }: Wiring): void => {
  program
    .command("decode")
    .description("readings out of a file: a pack, an event as JSON, or JSON lines of events")
    .argument("<file>", "the file; - for standard input")
    .addOption(formatOption())
    .action((file: string, options: DecodeOptions) =>
      does(async () => (await import("./decode.ts")).decode(outside, file, options)),
    );
  program
    .command("export")
    .description("the readings of a room within a time, as lines (the own data room unless told)")
    .option("--room <id>", "another room, by its ID or alias")
    .option("--since <time>", "readings from then on: 2026-11-24, 2026-11-24T13:30Z, or 24h (ago)")
    .option("--until <time>", "readings before then")
    .addOption(formatOption())
    .option("-o, --output <file>", "into a file; called again after an interruption, it goes on there")
    .action((options: ExportOptions) =>
      does(async (config) => (await import("./export.ts")).exportReadings(outside, config, options)),
    );
  program
    .command("audit")
    .description("whether a room holds every reading once: gaps, duplicates, losses (exit code 1: not so)")
    .addArgument(new Argument("<what>", "what to look at").choices(["room"]))
    .option("--room <id>", "another room than the own data room, by its ID or alias")
    .option(...JSON_OPTION)
    .action((_what: string, options: AuditOptions) =>
      does(async (config) => (await import("./audit.ts")).auditRoom(outside, config, options)),
    );
};

const buildProgram = (outside: Outside, exit: (code: number) => void): Command => {
  const program = baseProgram(outside);
  const does = async (verb: Verb): Promise<void> => exit(await verb(program.opts<GlobalOptions>().config));
  const wiring: Wiring = { outside, program, does };
  addRunning(wiring);
  addMetrics(wiring);
  addSettingUp(wiring);
  addTalking(wiring);
  addOutbox(wiring);
  addReading(wiring);
  addIdentity(wiring);
  addDevice(wiring);
  return program;
};

/** Each problem begins its line with the place, as editors and terminals understand it. */
const problemText = ({ message, problems }: ConfigError): string =>
  `${message}\npetrel: the configuration is not right (${problems.length} problem${problems.length === 1 ? "" : "s"}); docs/configuration.md says what each key takes\n`;

/** Runs what the arguments (without node and script) say. Resolves with the exit code; never rejects. */
export const runCommandLine = async (outside: Outside, args: readonly string[]): Promise<number> => {
  let code: number = EXIT.ok;
  const program = buildProgram(outside, (given) => {
    code = given;
  });
  try {
    await program.parseAsync([...args], { from: "user" });
    return code;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
    outside.stderr.write(error instanceof ConfigError ? problemText(error) : `petrel: ${messageOf(error)}\n`);
    return exitCodeOf(error);
  }
};
