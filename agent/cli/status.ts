// `petrel status`: how the running agent is; without one, what waits in its store.
import { askAgent } from "#agent/control/client.ts";
import { SOCKET_NAME } from "#agent/control/protocol.ts";
import { LANES } from "#agent/delivery/lanes.ts";
import { waitingIn } from "#agent/delivery/outbox.ts";
import { asObject, asString, field } from "#agent/matrix/json.ts";
import type { Outside } from "#agent/outside.ts";
import { withStore } from "./offline.ts";
import { loadSetting, type Setting } from "./setting.ts";

/** The agent does not run: for a script, told apart from an error. */
const NOT_RUNNING = 10;

const waiting = (
  outside: Outside,
  setting: Setting,
): Promise<{ readonly readings: number; readonly events: number }> =>
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

export const status = async (
  outside: Outside,
  configFile: string | undefined,
  options: { readonly json: boolean },
): Promise<number> => {
  const setting = await loadSetting(outside, configFile);
  const answer = await askAgent(`${setting.stateFolder}/${SOCKET_NAME}`, { verb: "status", args: {} });
  if (answer !== null) {
    const result = asObject(answer.result) ?? {};
    const { text: _text, ...values } = result;
    outside.stdout.write(
      options.json ? `${JSON.stringify(values)}\n` : `${asString(field(result, "text")) ?? ""}\n`,
    );
    return 0;
  }
  const { events, readings } = await waiting(outside, setting);
  outside.stdout.write(
    options.json
      ? `${JSON.stringify({ device: setting.config.device.name, state: "not running", waiting: readings, outbox: events })}\n`
      : `${setting.config.device.name}: not running; ${readings} readings and ${events} events wait in ${setting.stateFolder}\n`,
  );
  return NOT_RUNNING;
};
