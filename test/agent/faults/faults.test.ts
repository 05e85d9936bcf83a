// Fault loops (as SQLite tests itself), in samples: the Nth transaction, sync or exchange fails. faults.long.test.ts goes through them one by one.
import { describe, expect, it, onTestFinished } from "vitest";
import { type Homeserver, startHomeserver } from "#test/homeserver/homeserver.ts";
import { survivesExchange, survivesStore } from "./loop.ts";

const dendrite = async (): Promise<Homeserver> => {
  const server = await startHomeserver({ profile: "dendrite" });
  onTestFinished(() => server.stop());
  return server;
};

describe("readings, a command and the status message come once and in order", () => {
  it("without a fault", async () => {
    expect(await survivesStore(await dendrite(), "lost", 10_000)).toBe(false);
  });

  it.each([
    ["lost", [6, 17]],
    ["unheard", [9, 21]],
    ["unsynced", [8]],
    ["busy", [13]],
  ] as const)("when the store's Nth operation is %s", async (fault, nth) => {
    const server = await dendrite();
    for (const number of nth) expect(await survivesStore(server, fault, number)).toBe(true);
  });

  it.each([
    { kind: "answer-lost", skip: 18, times: 3 },
    { kind: "cut", skip: 22 },
  ] as const)("when exchanges fail: $kind after $skip", async (spec) => {
    expect(await survivesExchange(await dendrite(), spec)).toBe(true);
  });
});
