// Binds what was written to the arguments of a command, each by its rule, and fills templates with them.
import type { CommandRequest } from "./request.ts";
import type { ArgumentRule } from "./schema.ts";

export type Arguments = Readonly<Record<string, string>>;

/** What is wrong with a call, for its sender. */
export class ArgumentError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "ArgumentError";
  }
}

const expectation = (rule: ArgumentRule): string => {
  if (rule.one_of !== undefined) return rule.one_of.join(" or ");
  const bounds = [
    rule.min === undefined ? "" : `at least ${rule.min}`,
    rule.max === undefined ? "" : `at most ${rule.max}`,
  ];
  const number = bounds.filter((text) => text !== "").join(", ");
  if (number !== "") return `a number of ${number}`;
  return rule.pattern === undefined ? "text" : `text that matches ${rule.pattern}`;
};

/** As people write numbers. What is passed on is the text itself, so a hexadecimal or " 5 " must not count as within bounds. */
const NUMBER = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/;

const fits = (value: string, rule: ArgumentRule): boolean => {
  if (rule.one_of !== undefined && !rule.one_of.includes(value)) return false;
  if (rule.pattern !== undefined && !new RegExp(`^(?:${rule.pattern})$`, "u").test(value)) return false;
  if (rule.min === undefined && rule.max === undefined) return true;
  const number = NUMBER.test(value) ? Number(value) : Number.NaN;
  return Number.isFinite(number) && number >= (rule.min ?? number) && number <= (rule.max ?? number);
};

export const usage = (name: string, rules: Readonly<Record<string, ArgumentRule>>): string =>
  [name, ...Object.entries(rules).map(([argument, rule]) => `<${rule.one_of?.join("|") ?? argument}>`)].join(
    " ",
  );

/** Throws `ArgumentError` with the usage. */
export const bindArguments = (
  request: CommandRequest,
  rules: Readonly<Record<string, ArgumentRule>>,
): Arguments => {
  const names = Object.keys(rules);
  const help = `usage: ${usage(request.name, rules)}`;
  if (request.words.length > names.length)
    throw new ArgumentError(`${request.words.length} words given, ${names.length} expected; ${help}`);
  const unknown = Object.keys(request.named).find((name) => !Object.hasOwn(rules, name));
  if (unknown !== undefined)
    throw new ArgumentError(`"${unknown}" is no argument of ${request.name}; ${help}`);
  return Object.fromEntries(
    Object.entries(rules).map(([name, rule], index) => {
      const value = Object.hasOwn(request.named, name) ? request.named[name] : request.words[index];
      if (value === undefined) throw new ArgumentError(`${name} is missing; ${help}`);
      if (!fits(value, rule))
        throw new ArgumentError(`${name}: expected ${expectation(rule)}, got "${value}"`);
      return [name, value];
    }),
  );
};

/** "{state}" becomes the argument's value; what is no argument stays as it is. */
export const fill = (template: string, values: Arguments): string =>
  template.replace(/\{([a-z][a-z0-9_]*)\}/g, (whole, name: string) =>
    Object.hasOwn(values, name) ? (values[name] ?? whole) : whole,
  );
