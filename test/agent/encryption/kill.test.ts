// The encrypted agent dies at its Nth store operation, in samples; kill.long.test.ts goes through them one by one.
import { describe, expect, it, onTestFinished } from "vitest";
import { startHomeserver } from "#test/homeserver/homeserver.ts";
import { dieAndLive } from "./kill-round.ts";

describe("an encrypted agent that dies at its Nth store operation", () => {
  it.each([
    ["lost", [12, 33]],
    ["unheard", [16, 30]],
    ["unsynced", [14]],
  ] as const)(
    "%s: reuses nothing, loses nothing",
    async (fault, numbers) => {
      const server = await startHomeserver({ profile: "synapse" });
      onTestFinished(() => server.stop());
      for (const nth of numbers) expect(await dieAndLive(server, fault, nth)).toBe(true);
    },
    120_000,
  );
});
