// `petrel init`: asks five questions and writes a first configuration with comments, which `petrel check` accepts as it is.
// Each answer is judged at once, by the rules of the configuration itself; at a terminal a wrong one can be given again.
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { parseConfig } from "#agent/config/config.ts";
import { ConfigError } from "#agent/config/document.ts";
import { CliError, EXIT } from "#agent/exit.ts";
import { driverKinds } from "#agent/ingest/registry.ts";
import type { Outside } from "#agent/outside.ts";
import { type Answers, renderConfig, SOURCE_NAMES } from "./first-config.ts";
import { type Asker, withAsker } from "./prompt.ts";
import { commandOf, configPath } from "./setting.ts";

export interface InitOptions extends Partial<Answers> {
  readonly force?: boolean;
}

interface Question {
  readonly key: keyof Answers;
  readonly text: string;
  readonly fallback: (before: Partial<Answers>) => string;
  /** Where the answer stands in the configuration. */
  readonly path: string;
}

const QUESTIONS: readonly Question[] = [
  { key: "device", text: "name of this device", fallback: () => "drone-1", path: "device.name" },
  {
    key: "homeserver",
    text: "homeserver (a server name such as example.org, or an address)",
    fallback: () => "matrix.org",
    path: "homeserver",
  },
  {
    key: "user",
    text: "account of the device",
    fallback: ({ device }) => device ?? "drone-1",
    path: "homeserver.user",
  },
  {
    key: "operator",
    text: "your own user ID, to be invited (empty: nobody)",
    fallback: () => "",
    path: "rooms.operators",
  },
  {
    key: "source",
    text: `first source of readings (${SOURCE_NAMES.join(", ")})`,
    fallback: () => "simulator",
    path: "drivers",
  },
];

const GOOD: Answers = { device: "d", homeserver: "example.org", user: "d", operator: "", source: "none" };

/** What is wrong with an answer, or null: a configuration that is right but for it is put to the test. */
const faultOf = async ({ key, path }: Question, value: string): Promise<string | null> => {
  if (key === "source" && !SOURCE_NAMES.includes(value))
    return `expected one of ${SOURCE_NAMES.join(", ")}, found "${value}"`;
  try {
    await parseConfig("", renderConfig({ ...GOOD, [key]: value }), driverKinds);
    return null;
  } catch (error) {
    const problems = error instanceof ConfigError ? error.problems : [];
    const problem = problems.find((one) => one.path.startsWith(path)) ?? problems[0];
    if (problem === undefined) throw error;
    return `expected ${problem.expected}, found ${problem.found}`;
  }
};

const answer = async (
  outside: Outside,
  asker: Asker,
  question: Question,
  given: InitOptions,
  before: Partial<Answers>,
): Promise<string> => {
  const option = given[question.key];
  for (;;) {
    const value = option ?? (await asker.ask(question.text, question.fallback(before)));
    const fault = await faultOf(question, value);
    if (fault === null) return value;
    if (option !== undefined) throw new CliError(EXIT.usage, `--${question.key}: ${fault}`);
    if (!asker.terminal) throw new CliError(EXIT.usage, `${question.text}: ${fault}`);
    outside.stderr.write(`  ${fault}\n`);
  }
};

const askAll = (outside: Outside, options: InitOptions): Promise<Answers> =>
  withAsker(outside, async (asker) => {
    const answers: Partial<Record<keyof Answers, string>> = {};
    for (const question of QUESTIONS)
      answers[question.key] = await answer(outside, asker, question, options, answers);
    return { ...GOOD, ...answers };
  });

/** One by one: Node's recursive mkdir never returns where the system says ENOENT for a folder that is there (/proc). */
const makeFolders = (folder: string): void => {
  if (existsSync(folder)) return;
  makeFolders(dirname(folder));
  mkdirSync(folder);
};

const write = (path: string, text: string): void => {
  try {
    makeFolders(dirname(path));
    writeFileSync(path, text, { mode: 0o644 });
  } catch (error) {
    throw new CliError(
      EXIT.config,
      `cannot write ${path}: ${error instanceof Error ? error.message : String(error)}; --config names another place`,
      { cause: error },
    );
  }
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
  const text = renderConfig(await askAll(outside, options));
  await parseConfig(path, text, driverKinds);
  write(path, text);
  const petrel = commandOf(configFile);
  outside.stdout.write(`wrote ${path}\nnext: ${petrel} login, then ${petrel} run\n`);
  return 0;
};
