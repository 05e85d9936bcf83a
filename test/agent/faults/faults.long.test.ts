// The fault loops, whole: N = 1, 2, ... until the scenario passes without meeting the fault.
import { describe, expect, it, onTestFinished } from "vitest";
import type { FaultKind } from "#test/homeserver/faults.ts";
import { startHomeserver } from "#test/homeserver/homeserver.ts";
import type { ProfileName } from "#test/homeserver/profile.ts";
import { survivesExchange, survivesStore } from "./loop.ts";

/** Beyond start, rooms and the whole scenario; after it only long polls and status messages come. */
const EXCHANGES = 45;
/** The scenario makes some 70; more means that the loop has lost its end. */
const OPERATIONS_MAX = 400;

const LIMITED: FaultKind = { kind: "limited", retryAfterMs: 2000 };
const BROKEN: FaultKind = {
  kind: "status",
  status: 500,
  body: { errcode: "M_UNKNOWN", error: "Internal server error" },
};
const FAULTS: readonly FaultKind[] = [
  { kind: "answer-lost" },
  { kind: "refused" },
  { kind: "cut" },
  { kind: "html", status: 502 },
  LIMITED,
  BROKEN,
];

describe("readings, a command and the status message come once and in order", () => {
  it.each(["lost", "unheard", "unsynced", "busy"] as const)(
    "whichever operation of the store is %s",
    async (fault) => {
      const server = await startHomeserver({ profile: "dendrite" });
      onTestFinished(() => server.stop());
      let nth = 1;
      while (await survivesStore(server, fault, nth)) {
        nth += 1;
        expect(nth).toBeLessThan(OPERATIONS_MAX);
      }
      expect(nth).toBeGreaterThan(20);
    },
  );

  describe.each<ProfileName>(["synapse", "dendrite", "conduit"])("on a server like %s", (profile) => {
    it.each(FAULTS.flatMap((fault) => [1, 4].map((times) => [fault.kind, times, fault] as const)))(
      "whichever exchange fails: %s, %i in a row",
      async (_kind, times, fault) => {
        const server = await startHomeserver({ profile });
        onTestFinished(() => server.stop());
        for (let skip = 0; skip < EXCHANGES; skip += 1)
          await survivesExchange(server, { ...fault, skip, times });
      },
    );
  });
});
