// The control socket's verb `invite`: somebody into a room of the agent's, with the keys of what was sent before where the room is encrypted.
import type { Engine } from "#agent/encryption/engine.ts";
import { CliError, EXIT } from "#agent/exit.ts";
import { told } from "#agent/identity/verbs.ts";
import { asString, field } from "#agent/matrix/json.ts";
import type { JsonObject, JsonValue, MatrixClient } from "#agent/matrix/types.ts";

export const inviteVerb = async (
  client: Pick<MatrixClient, "invite">,
  engine: Engine | null,
  roomId: string,
  args: JsonObject,
): Promise<JsonValue> => {
  const user = asString(field(args, "user"));
  if (user === null || !/^@[^:\s]+:\S+$/.test(user))
    throw new CliError(EXIT.usage, 'expected a user ID such as "@alice:example.org"');
  const wanted = field(args, "history") !== false && engine?.isEncrypted(roomId) === true;
  // Told of before the invitation: who accepts at once finds the keys there.
  const given = wanted ? await told(() => engine.history.give(roomId, user)) : null;
  await client.invite(roomId, user);
  return { roomId, user, history: given === null ? null : { ...given } };
};
