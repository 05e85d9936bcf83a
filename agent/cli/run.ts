// `petrel run`: the agent, until a signal ends it or it cannot go on.
import { type Agent, startAgent } from "#agent/agent.ts";
import { type ControlServer, type LoadHandlers, startControl } from "#agent/control/server.ts";
import type { VerbContext } from "#agent/control/verbs.ts";
import { EXIT, exitCodeOf, messageOf } from "#agent/exit.ts";
import { createLog, untilFailed } from "#agent/log.ts";
import { figuresOf } from "#agent/metrics/figures.ts";
import { openMetrics } from "#agent/metrics/open.ts";
import type { Outside } from "#agent/outside.ts";
import type { Log, Runtime } from "#agent/runtime.ts";
import type { Store } from "#agent/store/store.ts";
import { ClockWatch } from "#agent/time/clock-watch.ts";
import { systemProbes } from "#agent/time/probes.ts";
import { BUILD_MS, VERSION } from "#agent/version.ts";
import { onceFree } from "./once-free.ts";
import { loadSetting, openOwnStore, type Setting, socketOf } from "./setting.ts";

/** By then the agent has logged in and the code of the start is not needed any longer. */
const SETTLED_AFTER_MS = 5000;

/** What ended the run: a signal, or an error after which it cannot go on. */
type End = { readonly signal: string } | { readonly error: unknown };

interface Ending {
  readonly ended: Promise<End>;
  fatal(error: unknown): void;
  /** Aborted by `forget`. */
  readonly over: AbortSignal;
  /** Everything is closed: signals are the system's business again. */
  forget(): void;
}

/** Listens from before the start to after the stop; a second signal ends the process on the spot. */
const watchForEnd = (outside: Outside): Ending => {
  const { promise, resolve } = Promise.withResolvers<End>();
  const aborter = new AbortController();
  const forgetSignals = outside.onSignal((signal) => {
    if (signal === "SIGPIPE") return;
    forgetSignals();
    resolve({ signal });
  });
  const forgetErrors = outside.onUncaught((error) => resolve({ error }));
  return {
    ended: promise,
    fatal: (error) => resolve({ error }),
    over: aborter.signal,
    forget: () => {
      aborter.abort();
      forgetSignals();
      forgetErrors();
    },
  };
};

const start = (
  outside: Outside,
  setting: Setting,
  runtime: Runtime,
  store: Store,
  { fatal, over }: Ending,
): Promise<Agent> =>
  startAgent({
    config: setting.config,
    runtime,
    store,
    clock: new ClockWatch(
      runtime.clock,
      runtime.log,
      systemProbes(runtime.timers, setting.config.time.chrony, over),
      BUILD_MS,
    ),
    secrets: setting.secrets,
    bootId: outside.bootId,
    programs: {
      environment: { PATH: outside.environment["PATH"] ?? "/usr/bin:/bin", LANG: "C.UTF-8" },
      killGroup: outside.killGroup,
    },
    fatal,
  });

/** Loaded at the first request, once. */
const verbsOf = (context: VerbContext): LoadHandlers => {
  let verbs: ReturnType<LoadHandlers> | null = null;
  return () => {
    verbs ??= import("#agent/control/verbs.ts").then(({ controlVerbs }) => controlVerbs(context));
    return verbs;
  };
};

/** Without its control socket the agent still does its work: only the verbs cannot reach it. */
const openControl = async (setting: Setting, context: VerbContext, log: Log): Promise<ControlServer> => {
  const path = socketOf(setting);
  try {
    return await startControl(path, verbsOf(context), log);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    log.error(
      {},
      `no control socket at ${path} (${why}): status, send and tail cannot reach this agent; a shorter device.state helps where the path is longer than 107 bytes`,
    );
    return { close: () => Promise.resolve() };
  }
};

const runWithStore = async (
  outside: Outside,
  setting: Setting,
  { log, ...outer }: Runtime,
  store: Store,
  ending: Ending,
): Promise<End> => {
  const runtime = { ...outer, log: untilFailed(log, store.failed) };
  const agent = await start(outside, setting, runtime, store, ending);
  const { name: device } = setting.config.device;
  log.info({ version: VERSION, device, config: setting.configFile }, "Petrel runs");
  const figures = figuresOf(outside.process, () => runtime.clock.monoMs());
  const context = { agent, config: setting.config, store, runtime, figures };
  const control = await openControl(setting, context, log);
  const metrics = await openMetrics(setting.config.metrics, context, log);
  const cancel = runtime.timers.after(SETTLED_AFTER_MS, outside.settle);
  const end = await ending.ended;
  cancel();
  if ("error" in end) log.error({}, `Petrel cannot go on: ${messageOf(end.error)}`);
  else log.info({}, `Petrel stops (${end.signal})`);
  await control.close();
  await metrics.close();
  await agent.stop();
  log.info({}, "Petrel has stopped");
  return end;
};

/** Resolves with the exit code once everything is closed. */
export const run = async (outside: Outside, configFile: string | undefined): Promise<number> => {
  const setting = await loadSetting(outside, configFile);
  const log = await createLog(setting.config.log, outside.stderr);
  const { clock, random, timers } = outside;
  const runtime: Runtime = { clock, random, timers, log };
  outside.umask(0o077);
  const ending = watchForEnd(outside);
  let store: Store | null = null;
  try {
    store = await onceFree(runtime, socketOf(setting), () => openOwnStore(outside, setting, runtime));
    const end = await runWithStore(outside, setting, runtime, store, ending);
    return "error" in end ? exitCodeOf(end.error) : EXIT.ok;
  } catch (error) {
    log.error({}, `Petrel cannot start: ${messageOf(error)}`);
    return exitCodeOf(error);
  } finally {
    await store?.close();
    ending.forget();
  }
};
