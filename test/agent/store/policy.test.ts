import { describe, expect, it } from "vitest";
import { type CheckpointPolicy, decideCheckpoint } from "#agent/store/policy.ts";

const policy: CheckpointPolicy = { forcedBytes: 1_000, idleBytes: 100, idleMs: 50, maxBytes: 5_000 };

describe("the decision to restart the WAL", () => {
  it("is made by size alone once the forced size is reached", () => {
    expect(decideCheckpoint(policy, { walBytes: 1_000, quietMs: 0 })).toEqual({ kind: "now" });
  });

  it("waits for quiet below it", () => {
    expect(decideCheckpoint(policy, { walBytes: 999, quietMs: 20 })).toEqual({ kind: "later", afterMs: 30 });
    expect(decideCheckpoint(policy, { walBytes: 100, quietMs: 50 })).toEqual({ kind: "now" });
  });

  it("is never made for less than is worth it", () => {
    expect(decideCheckpoint(policy, { walBytes: 99, quietMs: 1e9 })).toEqual({ kind: "none" });
  });
});
