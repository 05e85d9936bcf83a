// `petrel outbox`: what it does on a store, asked of a running agent or done by the command line itself.
import { dropDead, listDead, retryDead, showDead } from "#agent/delivery/dead.ts";
import { CliError, EXIT } from "#agent/exit.ts";
import { asInteger, asString, field } from "#agent/matrix/json.ts";
import type { JsonObject, JsonValue } from "#agent/matrix/types.ts";
import type { Random } from "#agent/runtime.ts";
import type { Store } from "#agent/store/store.ts";

const plain = (value: object): JsonValue => JSON.parse(JSON.stringify(value)) as JsonValue; // what JSON.parse gives is JSON

const changed = async (store: Store, count: number, id: number | null): Promise<JsonValue> => {
  await store.durable();
  if (count === 0 && id !== null)
    throw new CliError(
      EXIT.usage,
      `no event of number ${id} was set aside; \`petrel outbox list\` shows them`,
    );
  return { count };
};

/** `args`: action (list, show, retry, drop) and id (null: all of them). `wake` is called when something is to be sent. */
export const outboxVerb = async (
  store: Store,
  random: Random,
  args: JsonObject,
  wake: () => void,
): Promise<JsonValue> => {
  const id = asInteger(field(args, "id"));
  switch (asString(field(args, "action"))) {
    case "show": {
      const letter = store.read((database) => showDead(database, store.vault, id ?? -1));
      if (letter === null) return changed(store, 0, id ?? -1);
      return plain(letter);
    }
    case "retry": {
      const count = await store.transaction((database) => retryDead(database, store.vault, random, id));
      const answer = await changed(store, count, id);
      wake();
      return answer;
    }
    case "drop":
      return changed(store, await store.transaction((database) => dropDead(database, id)), id);
    default:
      return plain(store.read((database) => listDead(database)));
  }
};
