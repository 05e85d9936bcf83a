// Answers about many devices, taken in parts: whoever stops after any of them asks again and ends where one who took the answer as a whole does.
import { describe, expect, it } from "vitest";
import {
  answerTo,
  beginWith as begin,
  FLEET,
  people,
  requestOf,
  takeParts as take,
} from "./support/crowd.ts";
import type { Ours } from "./support/world.ts";

const devicesOf = (ours: Ours): unknown => people.userIds.map((userId) => ours.store.list("device", userId));
const marksOf = (ours: Ours): string[] => ours.store.list("dirty", "").map(({ item }) => item);
const sessionsOf = (ours: Ours): number[] =>
  people.userIds.flatMap((userId) =>
    ours.store.list("device", userId).map(({ row }) => ours.store.list("olm", row.curve25519).length),
  );

describe("an answer of /keys/query about 190 devices", () => {
  it("is taken in parts, none with more devices than a part may have", () => {
    const ours = begin("keys-query");
    const request = requestOf(ours, "keys-query");
    const answer = { ok: true, body: answerTo(request) } as const;
    let known = 0;
    let parts = 0;
    for (let part: number | null = 0; part !== null; parts += 1) {
      const now: number = part;
      part = ours.in((calls) => calls.answerPart(request.id, answer, now));
      const after = sessionsOf(ours).length;
      expect(after - known).toBeLessThanOrEqual(25);
      known = after;
    }
    expect([known, parts >= 5]).toEqual([190, true]);
    expect(marksOf(ours)).toEqual([]);
  });

  it("that is left after any part is asked for again, and leaves what the whole leaves", () => {
    const whole = begin("keys-query");
    const parts = take(whole, requestOf(whole, "keys-query"));
    for (let stop = 1; stop < parts; stop += 1) {
      const ours = begin("keys-query");
      const request = requestOf(ours, "keys-query");
      take(ours, request, stop);
      // The device with 130 devices is in several parts: it keeps its mark until the last of them.
      expect(marksOf(ours)).toContain(FLEET);
      expect(requestOf(ours, "keys-query")).toEqual(request);
      take(ours, request);
      expect(devicesOf(ours)).toEqual(devicesOf(whole));
      expect([marksOf(ours), ours.requests("keys-query")]).toEqual([[], []]);
      expect(ours.notices).toEqual(whole.notices);
    }
  });

  it("leaves a mark that was set between two parts", () => {
    const ours = begin("keys-query");
    const request = requestOf(ours, "keys-query");
    take(ours, request, 2);
    ours.in((calls) => calls.receiveDeviceLists({ changed: people.userIds, left: [] }));
    take(ours, request);
    expect(marksOf(ours).sort()).toEqual([...people.userIds].sort());
  });
});

describe("an answer of /keys/claim about 190 devices", () => {
  it("that is left after any part is claimed again, and begins one session with each device", () => {
    const whole = begin("keys-claim");
    const parts = take(whole, requestOf(whole, "keys-claim"));
    expect(parts).toBeGreaterThan(5);
    for (let stop = 1; stop < parts; stop += 2) {
      const ours = begin("keys-claim");
      const request = requestOf(ours, "keys-claim");
      take(ours, request, stop);
      expect(requestOf(ours, "keys-claim")).toEqual(request);
      take(ours, request);
      expect(sessionsOf(ours)).toEqual(Array.from({ length: 190 }, () => 1));
      expect(ours.requests("keys-claim")).toEqual([]);
    }
  });
});
