// `petrel status`: how the running agent is; without one, what waits in its store.
import { askAgent } from "#agent/control/client.ts";
import { LANES } from "#agent/delivery/lanes.ts";
import { waitingIn } from "#agent/delivery/outbox.ts";
import { EXIT } from "#agent/exit.ts";
import { asObject, asString, field } from "#agent/matrix/json.ts";
import type { JsonValue } from "#agent/matrix/types.ts";
import type { Outside } from "#agent/outside.ts";
import { withStore } from "./offline.ts";
import { printableLines } from "./printable.ts";
import { hasStore, loadSetting, type Setting, socketOf } from "./setting.ts";

export interface StatusOptions {
  readonly json?: boolean;
}

interface Waiting {
  readonly readings: number;
  readonly events: number;
}

const waiting = (outside: Outside, setting: Setting): Promise<Waiting> =>
  withStore(outside, setting, (store) =>
    Promise.resolve(
      store.read((database) => ({
        readings: Number(
          database.prepare("SELECT coalesce(sum(count), 0) AS n FROM journal_chunk").get()?.["n"] ?? 0,
        ),
        events: LANES.reduce((sum, lane) => sum + waitingIn(database, lane), 0),
      })),
    ),
  );

const showRunning = (outside: Outside, result: JsonValue, json: boolean): void => {
  const { text: _text, ...values } = asObject(result) ?? {};
  const text = asString(field(asObject(result) ?? {}, "text")) ?? "";
  outside.stdout.write(json ? `${JSON.stringify(values)}\n` : `${printableLines(text)}\n`);
};

const showStopped = (
  { stdout }: Outside,
  { config, stateFolder }: Setting,
  found: Waiting | null,
  json: boolean,
): void => {
  const { name } = config.device;
  const { events, readings } = found ?? { events: 0, readings: 0 };
  if (json)
    stdout.write(
      `${JSON.stringify({ device: name, state: "not running", waiting: readings, outbox: events })}\n`,
    );
  else if (found === null)
    stdout.write(`${name}: not running; it never ran (${stateFolder} holds no store)\n`);
  else
    stdout.write(`${name}: not running; ${readings} readings and ${events} events wait in ${stateFolder}\n`);
};

export const status = async (
  outside: Outside,
  configFile: string | undefined,
  { json = false }: StatusOptions,
): Promise<number> => {
  const setting = await loadSetting(outside, configFile);
  const answer = await askAgent(socketOf(setting), { verb: "status", args: {} });
  if (answer !== null) {
    showRunning(outside, answer.result, json);
    return EXIT.ok;
  }
  showStopped(outside, setting, hasStore(setting) ? await waiting(outside, setting) : null, json);
  return EXIT.notRunning;
};
