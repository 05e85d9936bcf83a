// The command line: every verb, its options and help. A verb is a file of this folder, loaded when it is called.
import { Command, CommanderError } from "commander";
import type { Outside } from "#agent/outside.ts";
import { VERSION } from "#agent/version.ts";
import { EXIT, exitCodeOf, messageOf } from "./errors.ts";

interface GlobalOptions {
  readonly config?: string;
}

/** A verb resolves with its exit code. */
type Verb = (configFile: string | undefined) => Promise<number>;

const buildProgram = (outside: Outside, exit: (code: number) => void): Command => {
  const program = new Command("petrel")
    .description("A Matrix client agent for edge devices: readings up, commands down, nothing lost.")
    .version(VERSION, "-V, --version", "print the version")
    .option(
      "-c, --config <file>",
      "the configuration file (see docs/configuration.md for where it is looked for)",
    )
    .configureOutput({
      writeOut: (text) => outside.stdout.write(text),
      writeErr: (text) => outside.stderr.write(text),
      getOutHelpWidth: () => outside.stdout.columns,
      getErrHelpWidth: () => outside.stderr.columns,
    })
    .showHelpAfterError("(petrel --help shows what there is)")
    .exitOverride();

  const does =
    (verb: Verb): (() => Promise<void>) =>
    async () =>
      exit(await verb(program.opts<GlobalOptions>().config));

  program
    .command("run")
    .description("run the agent until it is told to stop")
    .action(does(async (config) => (await import("./run.ts")).run(outside, config)));

  return program;
};

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
    outside.stderr.write(`petrel: ${messageOf(error)}\n`);
    return exitCodeOf(error);
  }
};
