// The one policy of trying again.
import { describe, expect, it } from "vitest";
import { isAlreadyDone, retried, retryDelayMs } from "#agent/matrix/retry.ts";
import { MatrixError, type MatrixErrorKind } from "#agent/matrix/types.ts";
import { testRuntime } from "./support.ts";

const lowest = (length: number): Uint8Array => new Uint8Array(length);
const highest = (length: number): Uint8Array => new Uint8Array(length).fill(255);

const error = (kind: MatrixErrorKind, more: ConstructorParameters<typeof MatrixError>[2] = {}): MatrixError =>
  new MatrixError(kind, "test", more);

describe("the delay", () => {
  it("doubles from a second to a minute, half of it by chance", () => {
    const delays = [1, 2, 3, 4, 5, 6, 7, 8, 50].map((attempt) =>
      retryDelayMs(error("network"), attempt, highest),
    );
    expect(delays.map((delay) => Math.round((delay ?? 0) / 1000))).toEqual([1, 2, 4, 8, 16, 32, 60, 60, 60]);
    expect(retryDelayMs(error("network"), 3, lowest)).toBe(2000);
  });

  it("is never shorter than what the server asked for, and hardly longer", () => {
    const limited = error("limited", { retryAfterMs: 333_000 });
    expect(retryDelayMs(limited, 1, lowest)).toBe(333_000);
    expect(retryDelayMs(limited, 9, highest)).toBeLessThanOrEqual(333_000 * 1.1);
  });

  it("grows for a limit without a time", () => {
    expect(retryDelayMs(error("limited"), 5, lowest)).toBe(8000);
  });

  it("is never null for a network or a proxy that fails", () => {
    for (const attempt of [1, 100, 100_000]) {
      expect(retryDelayMs(error("network"), attempt, lowest)).not.toBeNull();
      expect(retryDelayMs(error("unavailable", { status: 502 }), attempt, lowest)).not.toBeNull();
    }
  });

  it("is null in the end for a server that itself says 500 each time", () => {
    const own = error("unavailable", { status: 500, errcode: "M_UNKNOWN" });
    expect(retryDelayMs(own, 59, lowest)).not.toBeNull();
    expect(retryDelayMs(own, 60, lowest)).toBeNull();
  });

  it("obeys a Retry-After of a 503", () => {
    expect(retryDelayMs(error("unavailable", { status: 503, retryAfterMs: 120_000 }), 1, lowest)).toBe(
      120_000,
    );
  });

  it.each(["refused", "auth", "local", "aborted"] as const)(
    "is null for kind %s: the same would happen again",
    (kind) => {
      expect(retryDelayMs(error(kind), 1, lowest)).toBeNull();
    },
  );

  it("is five minutes for what an administrator can lift", () => {
    expect(retryDelayMs(error("refused", { errcode: "M_USER_LOCKED" }), 1, lowest)).toBe(300_000);
  });

  it("is not asked for where the thing is done already", () => {
    expect(isAlreadyDone(error("refused", { errcode: "M_DUPLICATE_ANNOTATION" }))).toBe(true);
    expect(isAlreadyDone(error("refused", { errcode: "M_FORBIDDEN" }))).toBe(false);
  });
});

describe("retried", () => {
  it("tries until it succeeds, and says so in the log", async () => {
    const runtime = testRuntime(1000);
    let tries = 0;
    const result = await retried(runtime, new AbortController().signal, () => {
      tries += 1;
      return tries < 3 ? Promise.reject(error("network")) : Promise.resolve("done");
    });
    expect([result, tries]).toEqual(["done", 3]);
    expect(runtime.lines.map(({ message }) => message)).toEqual([
      expect.stringMatching(/^test; next try in 1 s$/),
      expect.stringMatching(/^test; next try in [12] s$/),
    ]);
  });

  it("gives up on what cannot succeed", async () => {
    const call = retried(testRuntime(1000), new AbortController().signal, () =>
      Promise.reject(error("refused")),
    );
    await expect(call).rejects.toMatchObject({ kind: "refused" });
  });

  it("stops waiting at once on shutdown", async () => {
    const stop = new AbortController();
    const call = retried(testRuntime(), stop.signal, () => Promise.reject(error("network")));
    setImmediate(() => stop.abort());
    await expect(call).rejects.toMatchObject({ kind: "network" });
  });
});
