// A process of its own that watches a door and drives a pump until the test kills it.
import type { GpioHost } from "#drivers/gpio/tools.ts";
import { createGpioKind } from "#drivers/gpio.ts";

const [tools, host] = process.argv.slice(2);
const silent = (): void => undefined;
const say = (line: string): void => void process.stdout.write(`${line}\n`);

const timers = {
  after: (delayMs: number, callback: () => void) => {
    const timer = setTimeout(callback, delayMs);
    return () => clearTimeout(timer);
  },
};
// The test wrote it itself.
const kind = createGpioKind({ ...(JSON.parse(host ?? "{}") as GpioHost), timers });
const options = kind.schema.parse({
  backend: "libgpiod",
  tools,
  inputs: [{ name: "door", line: "door" }],
  outputs: [{ name: "pump", line: "pump" }],
});
const driver = kind.create("pins", options, {
  emit: () => Promise.resolve({ outcome: "durable" }),
  clock: { wallMs: Date.now, monoMs: () => performance.now() },
  timers,
  random: (length) => new Uint8Array(length),
  log: { debug: silent, info: silent, warn: silent, error: silent },
  state: (state) => {
    say(state);
    if (state !== "up") return;
    void driver.write?.({ target: "pump", payload: Buffer.from("on") }).then(() => say("driving"));
  },
  count: silent,
});
await driver.start();
