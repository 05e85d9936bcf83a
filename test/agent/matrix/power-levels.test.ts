// Power levels with the specification's defaults, and creators of version 12 rooms.
import { describe, expect, it } from "vitest";
import {
  type Creation,
  parseCreation,
  parsePowerLevels,
  powerLevelOverride,
} from "#agent/matrix/power-levels.ts";
import type { JsonObject } from "#agent/matrix/types.ts";

const created = (version: string | undefined, more: JsonObject = {}): Creation => ({
  sender: "@creator:x",
  content: { ...(version === undefined ? {} : { room_version: version }), ...more },
});

describe("defaults", () => {
  it("are 0 for users and messages and 50 for state where the event is empty (Conduit)", () => {
    const power = parsePowerLevels(created("11"), {});
    expect([power.userLevel("@a:x"), power.eventLevel("t", false), power.eventLevel("t", true)]).toEqual([
      0, 0, 50,
    ]);
  });

  it("give way to what the event says", () => {
    const power = parsePowerLevels(created("11"), {
      users_default: 5,
      events_default: 10,
      state_default: 60,
      users: { "@a:x": 100 },
      events: { t: 30 },
    });
    expect([power.userLevel("@a:x"), power.userLevel("@b:x")]).toEqual([100, 5]);
    expect([power.eventLevel("t", true), power.eventLevel("u", false), power.eventLevel("u", true)]).toEqual([
      30, 10, 60,
    ]);
  });

  it("give the creator 100 where there is no event at all", () => {
    const power = parsePowerLevels(created("10", { creator: "@old:x" }), null);
    expect([power.userLevel("@old:x"), power.userLevel("@creator:x")]).toEqual([100, 0]);
    expect(parsePowerLevels(created("11"), null).userLevel("@creator:x")).toBe(100);
  });

  it("stand in for nonsense; levels as strings of digits count (rooms before version 10)", () => {
    const power = parsePowerLevels(created("9"), {
      users: { "@a:x": "75", "@b:x": "high", "@c:x": 1.5, "@d:x": null },
      events: "none",
      state_default: " 40 ",
    });
    expect(["@a:x", "@b:x", "@c:x", "@d:x"].map(power.userLevel)).toEqual([75, 0, 0, 0]);
    expect(power.eventLevel("t", true)).toBe(40);
  });

  it("are not taken from names that every object has", () => {
    const power = parsePowerLevels(created("11"), { users: {}, events: {} });
    expect([power.userLevel("constructor"), power.eventLevel("toString", false)]).toEqual([0, 0]);
  });
});

describe("creators", () => {
  it("of version 12 stand above all numbers, additional ones too, whatever the event says", () => {
    const creation = created("12", { additional_creators: ["@second:x", 7] });
    const power = parsePowerLevels(creation, { users: { "@second:x": 0 }, users_default: 50 });
    expect(power.userLevel("@creator:x")).toBe(Number.POSITIVE_INFINITY);
    expect(power.userLevel("@second:x")).toBe(Number.POSITIVE_INFINITY);
    expect(power.userLevel("@other:x")).toBe(50);
  });

  it.each([undefined, "1", "11", "org.example.12", "12a"])("of version %s do not", (version) => {
    const creation = created(version, { additional_creators: ["@second:x"] });
    const power = parsePowerLevels(creation, {});
    expect([power.userLevel("@creator:x"), power.userLevel("@second:x")]).toEqual([0, 0]);
  });

  it("are unknown where the server does not say who sent the create event", () => {
    const creation: Creation = { sender: null, content: { room_version: "12" } };
    expect(parsePowerLevels(creation, {}).userLevel("@creator:x")).toBe(0);
    expect(parseCreation({ room_version: "12" })).toBeNull();
    expect(parseCreation({ content: { room_version: "12" }, sender: "@c:x" })?.sender).toBe("@c:x");
  });
});

it("the override of a new room keeps what moderators may not do, and names no users", () => {
  const override = powerLevelOverride({ "dev.petrel.command": 50, "m.room.topic": 0 });
  expect(override["events"]).toMatchObject({
    "m.room.power_levels": 100,
    "m.room.encryption": 100,
    "m.room.topic": 0,
    "dev.petrel.command": 50,
  });
  expect(override).not.toHaveProperty("users");
});
