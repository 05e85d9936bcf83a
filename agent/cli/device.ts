// `petrel device show|moved|reset`: which device of its account this store is, on which board; and the ways out when a copy was found (agent/copies).
import { askAgent } from "#agent/control/client.ts";
import { boardOf } from "#agent/copies/board.ts";
import { type Reset, resetDevice } from "#agent/copies/reset.ts";
import { type DeviceView, deviceView, moveHere } from "#agent/copies/view.ts";
import { CliError, EXIT } from "#agent/exit.ts";
import { createHttp } from "#agent/matrix/http.ts";
import type { Outside } from "#agent/outside.ts";
import type { Store } from "#agent/store/store.ts";
import { credentialsFor } from "./login.ts";
import { quietRuntime, withStore } from "./offline.ts";
import { withProgress } from "./progress.ts";
import { hasStore, loadSetting, type Setting, serverOf, socketOf } from "./setting.ts";

export type DeviceAction = "show" | "moved" | "reset";

export interface DeviceOptions {
  readonly yes?: boolean;
  readonly keepOld?: boolean;
  /** An access token of another device is read instead of a password. */
  readonly token?: boolean;
  readonly json?: boolean;
}

const viewOf = (store: Store, setting: Setting): DeviceView =>
  deviceView(store, boardOf(setting.config.device.board));

const BOARDS: Readonly<Record<DeviceView["board"], string>> = {
  same: "this board",
  other: "ANOTHER board than this one",
  unknown: "not known (no serial number)",
};

const shown = ({ board, deviceId, mark, userId, waiting }: DeviceView): string =>
  [
    `account:      ${userId ?? "not logged in yet"}`,
    `device:       ${deviceId ?? "none yet"}`,
    `last used on: ${BOARDS[board]}`,
    `starts:       ${mark ?? "none that the homeserver was told of"}`,
    `waiting:      ${waiting.readings} readings, ${waiting.events} events`,
  ].join("\n");

const LOST = [
  "What is lost: messages encrypted for the old device that it has not read yet (commands among them) cannot be read any more; people who verified the",
  "  old device itself, rather than the account's identity, verify the new one.",
  "What stays: readings and events that wait are delivered by the new device, each once; rooms, the account's identity, keys to read the past with.",
];

const oldOne = (deviceId: string | null, keepOld: boolean): string =>
  keepOld
    ? `The old device ${deviceId} stays logged in: whoever has a copy of this store goes on with it.`
    : `The old device ${deviceId} is logged out; a copy of this store that runs elsewhere stops (--keep-old leaves it).`;

const plan = (view: DeviceView, keepOld: boolean): string =>
  [
    `${view.userId} gets a new device, with new keys, for this store.`,
    oldOne(view.deviceId, keepOld),
    `Waiting now: ${view.waiting.readings} readings, ${view.waiting.events} events.`,
    ...LOST,
  ].join("\n");

const done = ({ before, now, stillThere, userId }: Reset, keepOld: boolean): string =>
  [
    `${userId}: the device is ${now} now; ${before} ${keepOld ? "stays logged in" : stillThere === null ? "is logged out" : "could NOT be logged out"}`,
    ...(stillThere === null ? [] : [`  (${stillThere}); sign it out in another client`]),
    "`petrel run` makes its keys, and delivers what waits",
  ].join("\n");

const say = (outside: Outside, { json }: DeviceOptions, result: object, text: string): void =>
  outside.stdout.write(json ? `${JSON.stringify(result)}\n` : `${text}\n`);

const reset = async (
  outside: Outside,
  setting: Setting,
  store: Store,
  options: DeviceOptions,
): Promise<number> => {
  const keepOld = options.keepOld === true;
  const view = viewOf(store, setting);
  if (view.userId === null)
    throw new CliError(EXIT.failed, "this store was never logged in: there is nothing to reset");
  if (options.yes !== true) {
    say(
      outside,
      options,
      { ...view, done: false },
      `${plan(view, keepOld)}\nNothing was done: with --yes it is.`,
    );
    return EXIT.failed;
  }
  const credentials = await credentialsFor(outside, setting, options);
  const aborter = new AbortController();
  const forget = outside.onSignal(() => aborter.abort());
  try {
    const result = await withProgress(outside, `logging in at ${serverOf(setting)}`, () =>
      resetDevice({
        store,
        runtime: quietRuntime(outside),
        http: createHttp({ timers: outside.timers, signal: aborter.signal }),
        homeserver: serverOf(setting),
        displayName: `Petrel ${setting.config.device.name}`,
        credentials,
        keepOld,
      }),
    );
    say(outside, options, { ...result, done: true }, done(result, keepOld));
    return EXIT.ok;
  } finally {
    forget();
    aborter.abort();
  }
};

const moved = async (
  outside: Outside,
  setting: Setting,
  store: Store,
  options: DeviceOptions,
): Promise<number> => {
  const view = viewOf(store, setting);
  if (view.board !== "other") {
    say(
      outside,
      options,
      { ...view, done: false },
      `nothing to do: this store was last used on ${BOARDS[view.board]}`,
    );
    return EXIT.ok;
  }
  if (options.yes !== true) {
    const text =
      "This board takes the old one's place: same device, same keys, nothing is lost. The old board must not run with a copy of this store any more.\nNothing was done: with --yes it is.";
    say(outside, options, { ...view, done: false }, text);
    return EXIT.failed;
  }
  await moveHere(store, boardOf(setting.config.device.board));
  say(outside, options, { ...viewOf(store, setting), done: true }, "this store belongs to this board now");
  return EXIT.ok;
};

export const device = async (
  outside: Outside,
  configFile: string | undefined,
  action: DeviceAction,
  options: DeviceOptions,
): Promise<number> => {
  const setting = await loadSetting(outside, configFile);
  if ((await askAgent(socketOf(setting), { verb: "status", args: {} })) !== null)
    throw new CliError(EXIT.store, "the agent runs: stop it first; `petrel status` shows how it is");
  if (!hasStore(setting))
    throw new CliError(EXIT.store, `${setting.stateFolder}: no store; the agent never ran here`);
  return withStore(outside, setting, async (store) => {
    if (action === "reset") return reset(outside, setting, store, options);
    if (action === "moved") return moved(outside, setting, store, options);
    const view = viewOf(store, setting);
    say(outside, options, view, shown(view));
    return EXIT.ok;
  });
};
