// `petrel tail`: follows a room's telemetry, decoded, through the running agent's session, or with the stored session where no agent runs.
import { askAgent } from "#agent/control/client.ts";
import { SOCKET_NAME } from "#agent/control/protocol.ts";
import { tailEvent } from "#agent/control/verbs.ts";
import { CliError, EXIT } from "#agent/exit.ts";
import { asList, asObject, field } from "#agent/matrix/json.ts";
import type { JsonValue } from "#agent/matrix/types.ts";
import type { Outside } from "#agent/outside.ts";
import { followRoom, roomIdOf } from "#agent/rooms/follow.ts";
import { withSession, withStore } from "./offline.ts";
import { loadSetting, type Setting } from "./setting.ts";

export interface TailOptions {
  readonly room?: string;
  readonly past: number;
  readonly json: boolean;
}

const EVERY_MS = 1000;

const print = (outside: Outside, json: boolean, value: JsonValue): void => {
  const shown = asObject(value) ?? {};
  if (json) {
    const { lines: _lines, ...event } = shown;
    outside.stdout.write(`${JSON.stringify(event)}\n`);
    return;
  }
  for (const line of asList(field(shown, "lines"))) outside.stdout.write(`${String(line)}\n`);
};

const ownDataRoom = (outside: Outside, setting: Setting): Promise<string> =>
  withStore(outside, setting, (store) => {
    const row = store.read((database) =>
      database.prepare("SELECT room_id FROM room WHERE kind = 'data'").get(),
    );
    if (row === null)
      throw new CliError(
        EXIT.failed,
        "the agent never ran, so its data room is not known: name one with --room, or run `petrel run` first",
      );
    return Promise.resolve(String(row["room_id"]));
  });

const tailAlone = async (outside: Outside, setting: Setting, options: TailOptions): Promise<void> => {
  const room = options.room ?? (await ownDataRoom(outside, setting));
  await withSession(outside, setting, {}, async ({ client, runtime, signal }) =>
    followRoom(
      client,
      await roomIdOf(client, room),
      { past: options.past, everyMs: EVERY_MS },
      runtime,
      signal,
      (event) => {
        const shown = tailEvent(event);
        if (shown !== null) print(outside, options.json, shown);
      },
    ),
  );
};

export const tail = async (
  outside: Outside,
  configFile: string | undefined,
  options: TailOptions,
): Promise<number> => {
  const setting = await loadSetting(outside, configFile);
  const aborter = new AbortController();
  const forget = outside.onSignal(() => aborter.abort());
  const args = { past: options.past, ...(options.room === undefined ? {} : { room: options.room }) };
  const show = (value: JsonValue): void => print(outside, options.json, value);
  const answer = await askAgent(
    `${setting.stateFolder}/${SOCKET_NAME}`,
    { verb: "tail", args },
    show,
    aborter.signal,
  );
  forget();
  if (answer === null) await tailAlone(outside, setting, options);
  return 0;
};
