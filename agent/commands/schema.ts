// The section `commands` of the configuration (DESIGN 7): what operators may ask for, who may, and what it does.
import type { ZodType } from "zod";
import * as z from "zod";
import { duration } from "#agent/config/units.ts";

export interface WriteAction {
  readonly driver: string;
  readonly target: string;
  /** Text with `{argument}` in it. */
  readonly payload: string;
  readonly qos?: 0 | 1 | 2 | undefined;
  readonly retain?: boolean | undefined;
}

export interface RunAction {
  readonly program: string;
  /** Each one argument of the program: no shell ever sees them. */
  readonly args: readonly string[];
  readonly timeout: number;
}

export interface ArgumentRule {
  readonly one_of?: readonly string[] | undefined;
  readonly pattern?: string | undefined;
  readonly min?: number | undefined;
  readonly max?: number | undefined;
}

export interface CommandRule {
  readonly help: string;
  readonly args: Readonly<Record<string, ArgumentRule>>;
  /** Power level of the sender in the people room. */
  readonly level: number;
  /** It waits for a code. */
  readonly confirm: boolean;
  readonly write?: WriteAction | undefined;
  readonly run?: RunAction | undefined;
}

export interface CommandsConfig {
  readonly prefix: string;
  /** A command older than this is refused (ms). */
  readonly valid_for: number;
  /** How long a confirmation code is good (ms). */
  readonly confirm_within: number;
  readonly confirm_in_clear: boolean;
  readonly list: Readonly<Record<string, CommandRule>>;
}

/** Who may call a configured command unless it says otherwise: a moderator's level in the specification's defaults. */
const LEVEL_DEFAULT = 50;

const isPattern = (text: string): boolean => {
  try {
    return new RegExp(`^(?:${text})$`, "u") instanceof RegExp;
  } catch {
    return false;
  }
};

const argumentSchema = z.strictObject({
  one_of: z.array(z.string()).min(1).optional().describe("The values that are allowed."),
  pattern: z
    .string()
    .refine(isPattern, { error: "expected a regular expression" })
    .optional()
    .describe("A regular expression that the whole value must match."),
  min: z.number().optional().describe("Smallest number allowed."),
  max: z.number().optional().describe("Largest number allowed."),
});

const commandSchema = z
  .strictObject({
    help: z.string().default("").describe("One sentence for `help`."),
    args: z
      .record(z.string().regex(/^[a-z][a-z0-9_]*$/), argumentSchema)
      .default({})
      .describe("Arguments, in order."),
    level: z
      .number()
      .default(LEVEL_DEFAULT)
      .describe("Power level that the sender needs in the people room."),
    confirm: z
      .boolean()
      .default(false)
      .describe("Dangerous: it is done only after its sender has answered with a fresh code."),
    write: z
      .strictObject({
        driver: z.string().describe("Name of a driver of this file."),
        target: z.string().default("").describe("MQTT topic, GPIO line; ignored by serial lines."),
        payload: z.string().describe('What is sent; "{name}" stands for an argument.'),
        qos: z.union([z.literal(0), z.literal(1), z.literal(2)]).optional(),
        retain: z.boolean().optional(),
      })
      .optional()
      .describe("Sends bytes to a driver."),
    run: z
      .strictObject({
        program: z.string().startsWith("/", { error: "expected the absolute path of a program" }),
        args: z
          .array(z.string())
          .default([])
          .describe('Arguments; "{name}" stands for an argument of the command.'),
        timeout: duration().prefault("10s"),
      })
      .optional()
      .describe("Runs a program, without a shell."),
  })
  .refine((rule) => (rule.write === undefined) !== (rule.run === undefined), {
    error: 'expected exactly one of "write" and "run"',
  });

export const commandsSchema: ZodType<CommandsConfig> = z.strictObject({
  prefix: z
    .string()
    .regex(/^\S+$/)
    .default("!petrel")
    .describe("What a command begins with in a shared room."),
  valid_for: duration().prefault("60s").describe("A command that is older when it arrives is refused."),
  confirm_within: duration()
    .prefault("2m")
    .describe("How long the code of a command with `confirm` is good."),
  confirm_in_clear: z
    .boolean()
    .default(false)
    .describe(
      "Whether commands with `confirm` are taken in a room that is not encrypted, where the homeserver and whoever reads along can answer with the code too.",
    ),
  list: z
    .record(
      z.string().regex(/^[a-z][a-z0-9_-]*$/, { error: 'expected a command name such as "relay"' }),
      commandSchema,
    )
    .default({})
    .describe("The commands, by name."),
});
