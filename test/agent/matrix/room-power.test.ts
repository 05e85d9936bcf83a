// Who made a room, asked of servers that tell it in one way or another. The answers are those that Synapse and Dendrite gave.
import { describe, expect, it } from "vitest";
import { createRoomPower } from "#agent/matrix/room-power.ts";
import { type JsonObject, MatrixError } from "#agent/matrix/types.ts";

const ROOM = "!aXIIEUz5BAP8c2njfAVF9l-BEfVcbcOh_BLNKztuN3s";
const CREATE: JsonObject = {
  content: { room_version: "12", additional_creators: ["@second:x"] },
  event_id: "$aXIIEUz5BAP8c2njfAVF9l-BEfVcbcOh_BLNKztuN3s",
  sender: "@creator:x",
  state_key: "",
  type: "m.room.create",
};
const notFound = new MatrixError("refused", "not found", { status: 404, errcode: "M_NOT_FOUND" });

type Answers = Readonly<Record<string, JsonObject | MatrixError>>;

const powerOf = async (answers: Answers) => {
  const asked: string[] = [];
  const power = createRoomPower((_method, path) => {
    const end = decodeURIComponent(path.slice(path.indexOf("/rooms/") + 7)).replace(ROOM, "");
    asked.push(end);
    const answer = answers[end] ?? notFound;
    return answer instanceof MatrixError ? Promise.reject(answer) : Promise.resolve(answer);
  });
  return { asked, power, levels: await power(ROOM) };
};

const STATE = "/state/m.room.create/";
const LEVELS = "/state/m.room.power_levels/";
const OWN = "/event/$aXIIEUz5BAP8c2njfAVF9l-BEfVcbcOh_BLNKztuN3s";

describe("the creator of a version 12 room", () => {
  it("is told by a server that gives the whole event", async () => {
    const { levels, asked } = await powerOf({ [STATE]: CREATE, [LEVELS]: {} });
    expect(levels.userLevel("@creator:x")).toBe(Number.POSITIVE_INFINITY);
    expect(levels.userLevel("@second:x")).toBe(Number.POSITIVE_INFINITY);
    expect(asked).toEqual([STATE, LEVELS]);
  });

  it("is found through the room's own ID where the server gives the content alone", async () => {
    const { levels, asked } = await powerOf({ [STATE]: { room_version: "12" }, [OWN]: CREATE, [LEVELS]: {} });
    expect(levels.userLevel("@creator:x")).toBe(Number.POSITIVE_INFINITY);
    expect(asked).toEqual([STATE, OWN, LEVELS]);
  });

  it("is nobody where the server shows neither", async () => {
    const { levels } = await powerOf({ [STATE]: { room_version: "12" }, [LEVELS]: {} });
    expect(levels.userLevel("@creator:x")).toBe(0);
  });

  it("is asked for once", async () => {
    const { power, asked } = await powerOf({ [STATE]: CREATE, [LEVELS]: {} });
    await power(ROOM);
    expect(asked).toEqual([STATE, LEVELS, LEVELS]);
  });
});

it("an older room's creator has no privilege, so its content is enough", async () => {
  const { levels, asked } = await powerOf({ [STATE]: { room_version: "11" }, [LEVELS]: {} });
  expect(levels.userLevel("@creator:x")).toBe(0);
  expect(asked).toEqual([STATE, LEVELS]);
});
