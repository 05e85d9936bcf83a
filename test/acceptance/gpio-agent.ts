// The whole agent as a process of its own, with the pins of a stub chip (test/drivers/gpio/stub-chip.ts) where a kernel's would be, until it is killed.
// Arguments: the state folder, petrel.yaml, the chip's host as JSON. Says each state of its driver.
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { MIGRATIONS, startAgent } from "#agent/agent.ts";
import { parseConfig } from "#agent/config/config.ts";
import type { LoadedKind } from "#agent/ingest/registry.ts";
import type { Log, Runtime } from "#agent/runtime.ts";
import { openStore } from "#agent/store/open.ts";
import { ClockWatch } from "#agent/time/clock-watch.ts";
import type { GpioHost } from "#drivers/gpio/tools.ts";
import { createGpioKind } from "#drivers/gpio.ts";

const [folder = "", configFile = "", host = "{}"] = process.argv.slice(2);

const timers: Runtime["timers"] = {
  after: (delayMs, callback) => {
    const timer = setTimeout(callback, delayMs);
    return () => clearTimeout(timer);
  },
};

const say = (fields: Readonly<Record<string, unknown>>, message: string): void =>
  void process.stdout.write(`${message} ${JSON.stringify(fields)}\n`);
const log: Log = { debug: say, info: say, warn: say, error: say };

// CLOCK_MONOTONIC, as in agent/main.ts: the clock of the edges' stamps.
const clock = { wallMs: () => Date.now(), monoMs: () => Number(process.hrtime.bigint()) / 1e6 };
const runtime: Runtime = { clock, timers, log, random: (length) => randomBytes(length) };

// The test wrote it itself.
const kind = createGpioKind({ ...(JSON.parse(host) as GpioHost), timers });
const gpio: LoadedKind = {
  kind: "gpio",
  schema: kind.schema,
  create: (name, options, context) => kind.create(name, kind.schema.parse(options), context),
};

const config = await parseConfig(configFile, readFileSync(configFile, "utf8"), {
  gpio: () => Promise.resolve(gpio),
});
const store = await openStore({
  path: join(folder, "petrel.db"),
  key: new Uint8Array(32).fill(9),
  migrations: MIGRATIONS,
  runtime,
});
await startAgent({
  config,
  runtime,
  store,
  clock: new ClockWatch(clock, log, { synchronised: () => true, rtc: () => false }, Date.UTC(2026, 0, 1)),
  secrets: { environment: process.env, readFile: (path) => readFileSync(path) },
  bootId: "boot-1",
  programs: { environment: {}, killGroup: () => undefined },
  fatal: (error) => {
    say({ error: String(error) }, "fatal");
    process.exit(1);
  },
});
