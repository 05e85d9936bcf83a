// `petrel run`: the agent, until a signal ends it or it cannot go on.
import { join } from "node:path";
import { type Agent, startAgent } from "#agent/agent.ts";
import { SOCKET_NAME } from "#agent/control/protocol.ts";
import { startControl } from "#agent/control/server.ts";
import { controlVerbs } from "#agent/control/verbs.ts";
import { exitCodeOf, messageOf } from "#agent/exit.ts";
import { createLog } from "#agent/log.ts";
import type { Outside } from "#agent/outside.ts";
import type { Runtime } from "#agent/runtime.ts";
import type { Store } from "#agent/store/store.ts";
import { ClockWatch } from "#agent/time/clock-state.ts";
import { systemProbes } from "#agent/time/probes.ts";
import { BUILD_MS, VERSION } from "#agent/version.ts";
import { loadSetting, openOwnStore, type Setting } from "./setting.ts";

/** What ended the run: null for a signal, else the error. */
type End = { readonly error: unknown } | null;

const untilEnd = (outside: Outside, fatal: Promise<unknown>): Promise<End> =>
  new Promise((resolve) => {
    const forget = outside.onSignal(() => {
      forget();
      resolve(null);
    });
    void fatal.then((error) => {
      forget();
      resolve({ error });
    });
  });

const start = (
  outside: Outside,
  setting: Setting,
  runtime: Runtime,
  store: Store,
  fatal: (error: unknown) => void,
): Promise<Agent> =>
  startAgent({
    config: setting.config,
    runtime,
    store,
    clock: new ClockWatch(runtime.clock, runtime.log, systemProbes(), BUILD_MS),
    secrets: setting.secrets,
    bootId: outside.bootId,
    programs: {
      environment: { PATH: outside.environment["PATH"] ?? "/usr/bin:/bin", LANG: "C.UTF-8" },
      killGroup: outside.killGroup,
    },
    fatal,
  });

/** Resolves with the exit code once everything is closed. */
export const run = async (outside: Outside, configFile: string | undefined): Promise<number> => {
  const setting = await loadSetting(outside, configFile);
  const log = await createLog(setting.config.log, outside.stderr);
  const { clock, random, timers } = outside;
  const runtime: Runtime = { clock, random, timers, log };
  outside.umask(0o077);
  const store = await openOwnStore(outside, setting, runtime);
  const fatal = Promise.withResolvers<unknown>();
  try {
    const agent = await start(outside, setting, runtime, store, fatal.resolve);
    log.info(
      { version: VERSION, device: setting.config.device.name, config: setting.configFile },
      "Petrel runs",
    );
    const handlers = controlVerbs({ agent, config: setting.config, store, runtime });
    const control = await startControl(join(setting.stateFolder, SOCKET_NAME), handlers, log);
    const end = await untilEnd(outside, fatal.promise);
    if (end !== null) log.error({}, `Petrel cannot go on: ${messageOf(end.error)}`);
    await control.close();
    await agent.stop();
    log.info({}, "Petrel has stopped");
    return end === null ? 0 : exitCodeOf(end.error);
  } finally {
    await store.close();
  }
};
