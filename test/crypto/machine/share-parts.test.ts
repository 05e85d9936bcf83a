// A room key given to many devices in parts: each gets it once, wherever somebody stops in between; nothing is encrypted before the last part; and where
// nothing changed since, nobody is looked at again.
import { describe, expect, it } from "vitest";
import type { ShareOptions } from "#crypto/machine/rooms/share.ts";
import type { SharePart, SharePlace } from "#crypto/machine/rooms/share-parts.ts";
import { createMemoryStore } from "#crypto/machine/store/memory.ts";
import type { MachineStore } from "#crypto/machine/store/store.ts";
import type { JsonObject } from "#crypto/shape.ts";
import { answerTo, beginWith, DEVICES, people } from "./support/crowd.ts";
import { inside } from "./support/loopback.ts";
import { ROOM, SETTINGS } from "./support/room.ts";
import type { Ours } from "./support/world.ts";

const OPTIONS: ShareOptions = { members: people.userIds, strategy: "all", sharedHistory: false };

const begin = (store?: MachineStore): Ours => {
  const ours = beginWith("sessions", store);
  ours.in((calls) => calls.receiveRoomEncryption(ROOM, SETTINGS));
  return ours;
};

/** Parts from the beginning, until `stopAfter` of them or the end. */
const shareParts = (
  ours: Ours,
  stopAfter = Number.POSITIVE_INFINITY,
  options = OPTIONS,
): { readonly parts: number; readonly last: SharePart } => {
  let place: SharePlace | null = null;
  for (let parts = 1; ; parts += 1) {
    const from: SharePlace | null = place;
    const last: SharePart = ours.in((calls) => calls.shareRoomKeyPart(ROOM, options, from));
    if (last.kind === "done" || parts >= stopAfter) return { parts, last };
    ({ place } = last);
  }
};

/** Answers what is under way; the devices that a to-device message went to. */
const sendAll = (ours: Ours): string[] => {
  const to: string[] = [];
  ours.answerAll("to-device", ({ body }) => {
    for (const [userId, devices] of Object.entries(inside(body, "messages")))
      to.push(...Object.keys(devices as JsonObject).map((deviceId) => `${userId} ${deviceId}`));
    return {};
  });
  return to;
};

const encrypt = (ours: Ours): JsonObject =>
  ours.in((calls) => calls.encryptRoomEvent(ROOM, "m.room.message", { body: "hi" }));

const PARTS = shareParts(begin()).parts;

describe("a room key for 190 devices", () => {
  it("is given in parts, in requests of at most a hundred messages", () => {
    const ours = begin();
    expect(PARTS).toBeGreaterThan(1);
    shareParts(ours);
    const sizes = ours.requests("to-device").map(({ body }) =>
      Object.values(inside(body, "messages"))
        .map((devices) => Object.keys(devices as JsonObject).length)
        .reduce((sum, count) => sum + count, 0),
    );
    expect(Math.max(...sizes)).toBeLessThanOrEqual(100);
    expect(sizes.reduce((sum, count) => sum + count, 0)).toBe(DEVICES);
  });

  it("reaches each device once, wherever somebody stops in between, and encrypts nothing before the end", () => {
    for (let stop = 1; stop < PARTS; stop += 1) {
      const ours = begin();
      shareParts(ours, stop);
      const first = sendAll(ours);
      expect(() => encrypt(ours)).toThrow(/NOT_SHARED|not all of its devices/);
      const { last } = shareParts(ours);
      const second = sendAll(ours);
      expect(last.kind).toBe("done");
      expect(new Set([...first, ...second]).size).toBe(DEVICES);
      expect(first.length + second.length).toBe(DEVICES);
      expect(encrypt(ours)["session_id"]).toBeTypeOf("string");
    }
  });

  it("is another one where somebody who got it leaves between two parts", () => {
    const ours = begin();
    const { last } = shareParts(ours, 1);
    sendAll(ours);
    ours.in((calls) => calls.invalidateRoomKey(ROOM));
    if (last.kind !== "more") throw new Error("one part was enough");
    const members = people.userIds.slice(1);
    const next = ours.in((calls) => calls.shareRoomKeyPart(ROOM, { ...OPTIONS, members }, last.place));
    expect(next.kind).toBe("more");
    shareParts(ours, Number.POSITIVE_INFINITY, { ...OPTIONS, members });
    const sent = sendAll(ours);
    expect(sent.some((name) => name.startsWith(`${people.userIds[0]} `))).toBe(false);
    expect(sent).toHaveLength(DEVICES - 5);
  });

  it("begins anew where a device that has it goes between two parts, and is another one", () => {
    const ours = begin();
    const first = shareParts(ours, 1).last;
    if (first.kind !== "more") throw new Error("one part was enough");
    sendAll(ours);
    const [user = ""] = people.userIds;
    ours.in((calls) => calls.receiveDeviceLists({ changed: [user], left: [] }));
    ours.answerAll("keys-query", (request) => {
      const answer = answerTo(request);
      const [, ...stay] = Object.entries(inside(answer, "device_keys", user));
      return { ...answer, device_keys: { [user]: Object.fromEntries(stay) } };
    });
    let part: SharePart = first;
    while (part.kind === "more") {
      const { place }: { readonly place: SharePlace | null } = part;
      part = ours.in((calls) => calls.shareRoomKeyPart(ROOM, OPTIONS, place));
    }
    expect(part.progress.sessionId).not.toBe(first.place?.begun.sessionId);
    expect(sendAll(ours)).toHaveLength(DEVICES - 1);
  });

  it("is not looked at again while nothing changed: no device is read", () => {
    const memory = createMemoryStore();
    let read = 0;
    const counting: MachineStore = {
      get: (table, group, item) => {
        if (table === "device") read += 1;
        return memory.get(table, group, item);
      },
      list: (table, group, page) => {
        if (table === "device") read += 1;
        return memory.list(table, group, page);
      },
      write: (changes) => memory.write(changes),
    };
    const ours = begin(counting);
    shareParts(ours);
    sendAll(ours);
    read = 0;
    expect(shareParts(ours)).toMatchObject({ parts: 1, last: { kind: "done", progress: { messages: 0 } } });
    expect(read).toBe(0);
    expect(
      shareParts(ours, Number.POSITIVE_INFINITY, { ...OPTIONS, members: people.userIds.slice(1) }).parts,
    ).toBeGreaterThan(0);
    expect(read).toBeGreaterThan(0);
  });
});
