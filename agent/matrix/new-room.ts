// The body of a createRoom (Client-Server API, "Creation"), checked here for what a server would refuse.
import { powerLevelOverride } from "./power-levels.ts";
import type { CreateRoomOptions, JsonObject } from "./types.ts";
import { checkContent } from "./validate.ts";

/** The room's own part of an alias: "#site:example.org" and "site" are both "site". */
const localAlias = (alias: string): string => alias.replace(/^#/, "").replace(/:.*$/, "");

const ENCRYPTION: JsonObject = {
  type: "m.room.encryption",
  state_key: "",
  content: { algorithm: "m.megolm.v1.aes-sha2" },
};

export const createRoomBody = (options: CreateRoomOptions, creator: string): JsonObject => {
  const initialState = [...(options.initialState ?? []), ...(options.encrypted === true ? [ENCRYPTION] : [])];
  const body: JsonObject = {
    preset: options.preset ?? "private_chat",
    ...(options.name === undefined ? {} : { name: options.name }),
    ...(options.topic === undefined ? {} : { topic: options.topic }),
    ...(options.alias === undefined ? {} : { room_alias_name: localAlias(options.alias) }),
    // The creator is in already: a server answers an invite for it with 403.
    ...(options.invite === undefined
      ? {}
      : { invite: options.invite.filter((userId) => userId !== creator) }),
    ...(options.roomVersion === undefined ? {} : { room_version: options.roomVersion }),
    ...(initialState.length === 0 ? {} : { initial_state: initialState }),
    ...(options.powerLevelEvents === undefined
      ? {}
      : { power_level_content_override: powerLevelOverride(options.powerLevelEvents) }),
  };
  checkContent(body, "createRoom");
  return body;
};
