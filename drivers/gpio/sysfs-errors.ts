// What a person reads when the way through sysfs does not work: which of its parts is missing, and what to do.
import { DriverError } from "../driver.ts";
import type { GpioOptions } from "./options.ts";

const codeOf = (cause: unknown): unknown =>
  typeof cause === "object" && cause !== null && "code" in cause ? cause.code : undefined;

const textOf = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause));

/** As `import` says it, and as `require` does. */
const NOT_FOUND: ReadonlySet<unknown> = new Set(["ERR_MODULE_NOT_FOUND", "MODULE_NOT_FOUND"]);

const isNotInstalled = (cause: unknown): boolean =>
  NOT_FOUND.has(codeOf(cause)) && textOf(cause).includes("'onoff'");

const absentText = (backend: GpioOptions["backend"]): string =>
  backend === "sysfs"
    ? "backend sysfs needs the package onoff, which is not installed: npm install onoff beside petrel, or leave backend out and apt install gpiod"
    : "neither libgpiod's tools nor the package onoff are there: apt install gpiod (or, for the sysfs of an old kernel, npm install onoff beside petrel)";

/** The package onoff could not be loaded. Its native part, epoll, is compiled when it is installed, for the Node that npm ran on then. */
export const onoffError = (cause: unknown, backend: GpioOptions["backend"]): DriverError => {
  const why = textOf(cause).replaceAll(/\s+/g, " ").slice(0, 200);
  const text = isNotInstalled(cause)
    ? absentText(backend)
    : `the package onoff is there, but its native part does not load: npm rebuild epoll, with the Node that runs petrel and a compiler (or apt install gpiod, which needs none): ${why}`;
  return new DriverError("UNAVAILABLE", text, { cause });
};

/** A line could not be had, read or written. */
export const pinError = (name: string, line: string | number, error: unknown): DriverError => {
  const message = textOf(error);
  const hint = message.includes("EINVAL")
    ? "no such line: numbers start anew with each kernel, see /sys/class/gpio/gpiochip*/base"
    : message;
  const code = message.includes("EBUSY") ? "BUSY" : message.includes("EACCES") ? "DENIED" : "UNAVAILABLE";
  return new DriverError(code, `${name}: sysfs line ${line}: ${hint}`, { cause: error });
};
