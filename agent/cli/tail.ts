// `petrel tail`: follows a room's telemetry, decoded, through the running agent's session, or with the stored session where no agent runs.
import { askAgent } from "#agent/control/client.ts";
import { TELEMETRY, tailEvent } from "#agent/control/verbs.ts";
import { createClient } from "#agent/matrix/client.ts";
import { createHttp } from "#agent/matrix/http.ts";
import { asList, asObject, field } from "#agent/matrix/json.ts";
import type { Session } from "#agent/matrix/session.ts";
import { type JsonValue, type MatrixClient, MatrixError } from "#agent/matrix/types.ts";
import type { Outside } from "#agent/outside.ts";
import { followNamed } from "#agent/rooms/follow.ts";
import { quietRuntime, withSession, withStore } from "./offline.ts";
import { mustHaveRun, ownRoom } from "./own-room.ts";
import { printable } from "./printable.ts";
import { withProgress } from "./progress.ts";
import { loadSetting, type Setting, serverOf, socketOf } from "./setting.ts";

export interface TailOptions {
  readonly room?: string;
  readonly past: number;
  readonly json?: boolean;
}

const EVERY_MS = 1000;

const print = (outside: Outside, json: boolean | undefined, value: JsonValue): void => {
  const shown = asObject(value) ?? {};
  if (json) {
    const { lines: _lines, ...event } = shown;
    outside.stdout.write(`${JSON.stringify(event)}\n`);
    return;
  }
  for (const line of asList(field(shown, "lines"))) outside.stdout.write(`${printable(String(line))}\n`);
};

/** A session that holds the store only while it needs it: an agent must be able to start while somebody follows a room. */
const lentSession = async (outside: Outside, setting: Setting): Promise<Session> => {
  const borrow = (): Promise<{ readonly session: Session; readonly token: string }> =>
    withSession(outside, setting, {}, async ({ session }) => {
      await session.verify();
      return { session, token: await session.authorised((good) => Promise.resolve(good)) };
    });
  let { session, token } = await borrow();
  return {
    ...session,
    verify: () => Promise.resolve(),
    authorised: async (request) => {
      try {
        return await request(token);
      } catch (error) {
        if (!(error instanceof MatrixError) || error.kind !== "auth") throw error;
      }
      ({ session, token } = await borrow());
      return request(token);
    },
  };
};

const dataRoom = (outside: Outside, setting: Setting): Promise<string> => {
  mustHaveRun(setting, "data");
  return withStore(outside, setting, (store) => Promise.resolve(ownRoom(store, setting, "data")));
};

/** The keys lie in the store, which is opened for a page that needs them and closed again. */
const opening = async (outside: Outside, setting: Setting, client: MatrixClient): Promise<MatrixClient> => {
  const { readingClient, readWithStore } = await import("#agent/encryption/reader.ts");
  return readingClient(client, async (events) =>
    events.some(({ type }) => type === "m.room.encrypted")
      ? withStore(outside, setting, (store, runtime) => readWithStore(store, runtime, client, events))
      : events,
  );
};

const tailAlone = async (
  outside: Outside,
  setting: Setting,
  options: TailOptions,
  signal: AbortSignal,
): Promise<void> => {
  const room = options.room ?? (await dataRoom(outside, setting));
  const runtime = quietRuntime(outside);
  const session = await withProgress(outside, `asking ${serverOf(setting)}`, () =>
    lentSession(outside, setting),
  );
  const plain = createClient({ http: createHttp({ timers: runtime.timers, signal }), session });
  const client = setting.config.encryption.enabled ? await opening(outside, setting, plain) : plain;
  const follow = { type: TELEMETRY, past: options.past, everyMs: EVERY_MS };
  await followNamed(client, room, follow, runtime, signal, (event) => {
    const shown = tailEvent(event);
    if (shown !== null) print(outside, options.json, shown);
  });
};

/** A person's Ctrl-C is how following ends: no failure. */
const unlessEnded = async (signal: AbortSignal, work: Promise<void>): Promise<void> => {
  try {
    await work;
  } catch (error) {
    if (!signal.aborted) throw error;
  }
};

export const tail = async (
  outside: Outside,
  configFile: string | undefined,
  options: TailOptions,
): Promise<number> => {
  const setting = await loadSetting(outside, configFile);
  const aborter = new AbortController();
  const { signal } = aborter;
  const forget = outside.onSignal(() => aborter.abort());
  try {
    const args = { past: options.past, ...(options.room === undefined ? {} : { room: options.room }) };
    const show = (value: JsonValue): void => print(outside, options.json, value);
    const answer = await askAgent(socketOf(setting), { verb: "tail", args }, show, signal);
    if (answer === null) await unlessEnded(signal, tailAlone(outside, setting, options, signal));
  } finally {
    forget();
    aborter.abort();
  }
  return 0;
};
