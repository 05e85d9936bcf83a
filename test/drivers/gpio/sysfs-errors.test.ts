// What is said when the way through sysfs does not work (drivers/gpio/sysfs-errors.ts).
import { expect, it } from "vitest";
import { onoffError, pinError } from "#drivers/gpio/sysfs-errors.ts";

/** As Node says it (ERR_MODULE_NOT_FOUND). */
const absent = (name: string): Error =>
  Object.assign(new Error(`Cannot find package '${name}' imported from /opt/petrel/chunks/gpio.mjs`), {
    code: "ERR_MODULE_NOT_FOUND",
  });

it("is written for what Node really says of a package that is not there", async () => {
  const name: string = "no-such-package-as-this";
  const cause: unknown = await import(name).catch((error: unknown) => error);
  expect(cause).toMatchObject({ code: "ERR_MODULE_NOT_FOUND" });
  expect(String(cause)).toContain(`'${name}'`);
});

it("names both ways when neither the tools nor the package are there", () => {
  const { code, message } = onoffError(absent("onoff"), "auto");
  expect(code).toBe("UNAVAILABLE");
  expect(message).toMatch(/^neither .* apt install gpiod .*npm install onoff/);
});

it("says that the package is missing when sysfs was asked for", () => {
  expect(onoffError(absent("onoff"), "sysfs").message).toMatch(
    /^backend sysfs needs the package onoff, which is not installed: npm install onoff/,
  );
});

it("does not call a package missing whose native part is for another Node", () => {
  const cause = Object.assign(
    new Error(
      "The module '/x/epoll.node'\nwas compiled against a different Node.js version using\nNODE_MODULE_VERSION 115.",
    ),
    { code: "ERR_DLOPEN_FAILED" },
  );
  const { message } = onoffError(cause, "sysfs");
  expect(message).toContain("npm rebuild epoll");
  expect(message).toContain("compiled against a different Node.js version using NODE_MODULE_VERSION 115");
});

it("does not call it missing either when only what it needs is missing", () => {
  expect(onoffError(absent("epoll"), "auto").message).toContain("npm rebuild epoll");
});

it("says of a pin that does not exist where the numbers of this kernel stand", () => {
  const { message } = pinError("door", 4711, new Error("EINVAL: invalid argument, write"));
  expect(message).toBe(
    "door: sysfs line 4711: no such line: numbers start anew with each kernel, see /sys/class/gpio/gpiochip*/base",
  );
});

it.each([
  ["EBUSY: resource busy or locked, write", "BUSY"],
  ["EACCES: permission denied, open '/sys/class/gpio/export'", "DENIED"],
])("tells %s by its code", (text, code) => {
  expect(pinError("door", 17, new Error(text))).toMatchObject({
    code,
    message: `door: sysfs line 17: ${text}`,
  });
});
