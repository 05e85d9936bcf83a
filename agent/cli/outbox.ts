// `petrel outbox list|show|retry|drop`: the events that the server refused for good, through the running agent or, without one, in the store.
import { askAgent } from "#agent/control/client.ts";
import { outboxVerb } from "#agent/control/outbox-verb.ts";
import { CliError, EXIT } from "#agent/exit.ts";
import { asInteger, asObject, asString, field } from "#agent/matrix/json.ts";
import type { JsonObject, JsonValue } from "#agent/matrix/types.ts";
import type { Outside } from "#agent/outside.ts";
import { withStore } from "./offline.ts";
import { printableLines } from "./printable.ts";
import { hasStore, loadSetting, type Setting, socketOf } from "./setting.ts";

export interface OutboxOptions {
  readonly json?: boolean;
}

export type OutboxAction = "list" | "show" | "retry" | "drop";

const argsOf = (action: OutboxAction, which: string | undefined): JsonObject => {
  if (action === "list") return { action };
  if (which === "all" && action !== "show") return { action };
  if (which !== undefined && /^\d{1,15}$/.test(which)) return { action, id: Number(which) };
  const all = action === "show" ? "" : ", or all";
  throw new CliError(
    EXIT.usage,
    `petrel outbox ${action}: expected the number of an event${all}; \`petrel outbox list\` shows them`,
  );
};

const lineOf = (letter: JsonValue): string => {
  const of = asObject(letter) ?? {};
  const at = new Date(asInteger(field(of, "atMs")) ?? 0).toISOString();
  const text = (key: string): string => asString(field(of, key)) ?? "";
  return `${asInteger(field(of, "id"))}  ${at}  ${text("lane")}  ${text("type")}  ${text("roomId")}\n    ${text("reason")}`;
};

const DONE: Readonly<Record<"retry" | "drop", string>> = {
  retry: "put back into the outbox",
  drop: "dropped",
};

const textOf = (action: OutboxAction, result: JsonValue): string => {
  if (action === "show") return JSON.stringify(result, null, 2);
  if (action !== "list") return `${asInteger(field(asObject(result) ?? {}, "count")) ?? 0} ${DONE[action]}`;
  const letters = Array.isArray(result) ? (result as readonly JsonValue[]) : []; // Array.isArray loses the element type
  return letters.length === 0 ? "no event was set aside" : letters.map(lineOf).join("\n");
};

const inStore = (outside: Outside, setting: Setting, args: JsonObject): Promise<JsonValue> => {
  if (!hasStore(setting))
    throw new CliError(EXIT.store, `${setting.stateFolder}: no store; the agent never ran here`);
  return withStore(outside, setting, (store, { random }) => outboxVerb(store, random, args, () => undefined));
};

export const outbox = async (
  outside: Outside,
  configFile: string | undefined,
  action: OutboxAction,
  which: string | undefined,
  { json = false }: OutboxOptions,
): Promise<number> => {
  const args = argsOf(action, which);
  const setting = await loadSetting(outside, configFile);
  const answer = await askAgent(socketOf(setting), { verb: "outbox", args });
  const result = answer === null ? await inStore(outside, setting, args) : answer.result;
  outside.stdout.write(json ? `${JSON.stringify(result)}\n` : `${printableLines(textOf(action, result))}\n`);
  return EXIT.ok;
};
