// `petrel invite`: somebody into a room of the agent's, with the history that later members may read.
import { askAgent } from "#agent/control/client.ts";
import { CliError, EXIT } from "#agent/exit.ts";
import { asInteger, asObject, field } from "#agent/matrix/json.ts";
import type { JsonObject } from "#agent/matrix/types.ts";
import type { Outside } from "#agent/outside.ts";
import { printable } from "./printable.ts";
import { withProgress } from "./progress.ts";
import { loadSetting, serverOf, socketOf } from "./setting.ts";

export interface InviteOptions {
  readonly room: "people" | "data";
  /** False: without the keys of what was sent before. */
  readonly history: boolean;
  readonly json?: boolean;
}

const sentence = (user: string, history: JsonObject | null, asked: boolean): string => {
  const invited = `invited ${printable(user)}`;
  if (history === null) return asked ? `${invited}; the room is not encrypted` : invited;
  const sessions = asInteger(field(history, "sessions")) ?? 0;
  const devices = asInteger(field(history, "devices")) ?? 0;
  if (sessions === 0) return `${invited}; there is no history that later members may read`;
  if (devices === 0)
    return `${invited}; none of their devices is cross-signed, so nobody was given the keys of what was sent before`;
  return `${invited}; ${devices === 1 ? "one device gets" : `${devices} devices get`} the keys of what was sent before (${sessions} sessions)`;
};

export const invite = async (
  outside: Outside,
  configFile: string | undefined,
  user: string,
  options: InviteOptions,
): Promise<number> => {
  const setting = await loadSetting(outside, configFile);
  const args = { user, room: options.room, history: options.history };
  const answer = await withProgress(outside, `asking ${serverOf(setting)}`, () =>
    askAgent(socketOf(setting), { verb: "invite", args }),
  );
  if (answer === null)
    throw new CliError(EXIT.notRunning, "no agent runs here: start it with `petrel run`, it has the keys");
  const result = asObject(answer.result) ?? {};
  const history = asObject(field(result, "history") ?? null);
  outside.stdout.write(
    options.json ? `${JSON.stringify(result)}\n` : `${sentence(user, history, options.history)}\n`,
  );
  return EXIT.ok;
};
