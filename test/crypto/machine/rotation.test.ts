// How often room keys are made anew: what is configured, what a room says, and the stricter of both.
import { describe, expect, it } from "vitest";
import type { MachineConfig } from "#crypto/machine/context.ts";
import type { JsonObject } from "#crypto/shape.ts";
import { encrypt, HOUR_MS, ROOM, SETTINGS, shareAll } from "./support/room.ts";
import { makeServer } from "./support/server.ts";
import { makeOurs, type Ours } from "./support/world.ts";

const DAY_MS = 24 * HOUR_MS;
type Rotation = NonNullable<MachineConfig["rotation"]>;

const alone = (rotation: Rotation | null, settings: JsonObject) => {
  const server = makeServer();
  const config = rotation === null ? {} : { rotation };
  const ours = server.join(makeOurs({ userId: "@alice:example.org", deviceId: "ALICE", ...config }));
  ours.in((calls) => calls.receiveRoomEncryption(ROOM, { ...SETTINGS, ...settings }));
  const share = (): string => shareAll(server, ours, { members: ["@alice:example.org"] });
  return { ours, share };
};

/** How many events the first key encrypts, counted up to `most`. */
const events = (rotation: Rotation | null, settings: JsonObject, most: number): number => {
  const { ours, share } = alone(rotation, settings);
  const first = share();
  for (let count = 0; count < most; count += 1) {
    if (share() !== first) return count;
    encrypt(ours);
  }
  return most;
};

const lives = (ours: Ours, share: () => string, ms: number): boolean => {
  const first = share();
  ours.nowMs += ms;
  return share() === first;
};

describe("a room key encrypts", () => {
  it.each<[string, Rotation | null, JsonObject, number]>([
    ["100 events where nobody says anything", null, {}, 100],
    ["as many as is configured", { rotationMs: DAY_MS, rotationMessages: 7 }, {}, 7],
    [
      "more than the recommended ones, where that is configured and the room says nothing",
      { rotationMs: DAY_MS, rotationMessages: 120 },
      {},
      120,
    ],
    [
      "no more than the room says",
      { rotationMs: DAY_MS, rotationMessages: 120 },
      { rotation_period_msgs: 9 },
      9,
    ],
    [
      "no more than is configured, whatever the room says",
      { rotationMs: DAY_MS, rotationMessages: 5 },
      { rotation_period_msgs: 50 },
      5,
    ],
    [
      "one at least, whatever is configured",
      { rotationMs: DAY_MS, rotationMessages: 0 },
      { rotation_period_msgs: 50 },
      1,
    ],
  ])("%s", (_name, rotation, settings, count) => expect(events(rotation, settings, count + 1)).toBe(count));
});

describe("a room key is used", () => {
  const week: Rotation = { rotationMs: 7 * DAY_MS, rotationMessages: 100 };

  it.each<[string, Rotation | null, JsonObject, number]>([
    ["a week where nobody says anything", null, {}, 7 * DAY_MS],
    ["as long as is configured", { ...week, rotationMs: 10 * DAY_MS }, {}, 10 * DAY_MS],
    ["no longer than the room says", week, { rotation_period_ms: DAY_MS }, DAY_MS],
    [
      "no longer than is configured",
      { ...week, rotationMs: 2 * HOUR_MS },
      { rotation_period_ms: DAY_MS },
      2 * HOUR_MS,
    ],
    ["an hour at least, whoever says less", { ...week, rotationMs: 5 }, { rotation_period_ms: 1 }, HOUR_MS],
  ])("%s", (_name, rotation, settings, ms) => {
    const before = alone(rotation, settings);
    expect(lives(before.ours, before.share, ms - 1)).toBe(true);
    const after = alone(rotation, settings);
    expect(lives(after.ours, after.share, ms)).toBe(false);
  });

  it("as strictly as the room once said, also when it says nothing any more", () => {
    const { ours, share } = alone(week, { rotation_period_ms: DAY_MS });
    ours.in((calls) => calls.receiveRoomEncryption(ROOM, SETTINGS));
    expect(ours.notices).toEqual([{ kind: "encryption-downgrade", roomId: ROOM }]);
    expect(lives(ours, share, DAY_MS)).toBe(false);
  });
});
