// The commands of the configuration: write bytes to a driver, or run an allow-listed program.
import type { Timers } from "#agent/runtime.ts";
import { type Driver, DriverError } from "#drivers/driver.ts";
import { type Arguments, fill } from "./arguments.ts";
import type { Command, Outcome } from "./command.ts";
import { runProgram } from "./program.ts";
import type { CommandRule, RunAction, WriteAction } from "./schema.ts";

export interface ActionContext {
  readonly driver: (name: string) => Driver | null;
  readonly timers: Timers;
  readonly environment: Readonly<Record<string, string>>;
  readonly killGroup: (pid: number, signal: "SIGTERM" | "SIGKILL") => void;
}

const write = async (action: WriteAction, values: Arguments, context: ActionContext): Promise<Outcome> => {
  const driver = context.driver(action.driver);
  if (driver?.write === undefined)
    throw new DriverError("REFUSED", `driver ${action.driver} cannot be written to`);
  const payload = fill(action.payload, values);
  const target = fill(action.target, values);
  await driver.write({
    target,
    payload: new TextEncoder().encode(payload),
    ...(action.qos === undefined ? {} : { qos: action.qos }),
    ...(action.retain === undefined ? {} : { retain: action.retain }),
  });
  return {
    ok: true,
    text: `sent "${payload.trimEnd()}" to ${[action.driver, target].filter((word) => word !== "").join(" ")}`,
  };
};

const run = (
  action: RunAction,
  values: Arguments,
  context: ActionContext,
  signal: AbortSignal,
): Promise<Outcome> =>
  runProgram(
    {
      program: action.program,
      args: action.args.map((arg) => fill(arg, values)),
      timeoutMs: action.timeout,
      environment: context.environment,
      killGroup: context.killGroup,
      signal,
    },
    context.timers,
  );

const effectOf = ({ run: program, write: bytes }: CommandRule, values: Arguments): string => {
  if (program !== undefined)
    return `runs ${[program.program, ...program.args.map((arg) => fill(arg, values))].join(" ")}`;
  if (bytes === undefined) return "does nothing";
  const where = [bytes.driver, fill(bytes.target, values)].filter((word) => word !== "").join(" ");
  return `sends "${fill(bytes.payload, values).trimEnd()}" to ${where}`;
};

export const configuredCommands = (
  list: Readonly<Record<string, CommandRule>>,
  context: ActionContext,
): Command[] =>
  Object.entries(list).map(([name, rule]) => ({
    name,
    help: rule.help,
    level: rule.level,
    harmless: false,
    rules: rule.args,
    ...(rule.confirm ? { confirm: (values: Arguments) => effectOf(rule, values) } : {}),
    run: (values, signal) => {
      if (rule.write !== undefined) return write(rule.write, values, context);
      if (rule.run !== undefined) return run(rule.run, values, context, signal);
      throw new Error(`command ${name}: the schema let one pass that does nothing`);
    },
  }));
