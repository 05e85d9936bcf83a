// As hours.test.ts, for a day.
import { describe, expect, it } from "vitest";
import { checkMixture, checkOutage, checkTrouble } from "./hours.ts";

describe("a server in trouble for a day", () => {
  it.each([503, 500, 429] as const)("that answers %i: each reading once and in order", (status) =>
    checkTrouble({ kind: "status", status }, 24),
  );

  it("that is hidden behind a proxy's page", () => checkTrouble({ kind: "html", status: 502 }, 24));

  it.each([1, 2, 3, 4])("of every kind, seed %i", (seed) => checkMixture(seed, 24));

  it("that was gone: the backlog of 2,880 readings follows in a few events", async () => {
    expect(await checkOutage(24)).toBeLessThan(40);
  });
});
