// Servers in trouble for an hour or two of simulated time; hours.long.test.ts has the days.
import { describe, expect, it } from "vitest";
import type { FaultSpec } from "#test/homeserver/faults.ts";
import { checkMixture, checkOutage, checkTrouble } from "./hours.ts";

const HOURS = 1;
const SEED = 20_261_124;

const TROUBLES: readonly [string, FaultSpec][] = [
  ["answers 503", { kind: "status", status: 503 }],
  ["limits every request", { kind: "limited", retryAfterMs: 45_000 }],
  ["cuts every answer", { kind: "cut" }],
];

describe("a server in trouble", { timeout: 120_000 }, () => {
  it.each(TROUBLES)("that %s: each reading once and in order, and no storm of requests", (_title, fault) =>
    checkTrouble(fault, HOURS),
  );

  it(`of every kind, seed ${SEED}, which forgets transactions when it restarts: each reading once and in order`, () =>
    checkMixture(SEED, 2 * HOURS));

  it("that was gone comes back with its default limits: the backlog follows in a few events", async () => {
    expect(await checkOutage(3 * HOURS)).toBeLessThan(20);
  });
});
