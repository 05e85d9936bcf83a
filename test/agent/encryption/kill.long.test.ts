// The encrypted agent dies at each of its store operations in turn, until one number is beyond what a whole life needs.
import { describe, it, onTestFinished } from "vitest";
import { startHomeserver } from "#test/homeserver/homeserver.ts";
import { dieAndLive } from "./kill-round.ts";

describe("an encrypted agent that dies at its Nth store operation", () => {
  it.each(["lost", "unheard", "unsynced"] as const)("%s, for each N", async (fault) => {
    const server = await startHomeserver({ profile: "synapse" });
    onTestFinished(() => server.stop());
    for (let nth = 1; await dieAndLive(server, fault, nth); nth += 1);
  });
});
