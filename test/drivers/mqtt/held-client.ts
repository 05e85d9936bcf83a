// A process of its own that takes a message and never finishes storing it: the test kills it in that state.
import { mqtt } from "#drivers/mqtt.ts";
import { mqttOptions } from "./stage.ts";

const port = Number(process.argv[2]);
const silent = (): void => undefined;
const say = (line: string): void => void process.stdout.write(`${line}\n`);

const driver = mqtt.create("mqtt", mqttOptions(port), {
  emit: (_readings, receipt) => {
    say(`receipt ${receipt?.key ?? "none"}`);
    return new Promise(() => undefined);
  },
  clock: { wallMs: Date.now, monoMs: () => performance.now() },
  timers: {
    after: (delayMs, callback) => {
      const timer = setTimeout(callback, delayMs);
      return () => clearTimeout(timer);
    },
  },
  random: (length) => new Uint8Array(length),
  log: { debug: silent, info: silent, warn: silent, error: silent },
  state: (state) => say(state),
  count: silent,
});
await driver.start();
