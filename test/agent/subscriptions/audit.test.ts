import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createAudit, isWhole, type StreamReport } from "#agent/subscriptions/audit.ts";
import type { ReceivedRange } from "#agent/telemetry/received.ts";

const range = (seq: number, count: number, more: Partial<ReceivedRange> = {}): ReceivedRange => ({
  device: "d",
  stream: "s",
  boot: "b",
  bootSeq: 1,
  seq,
  count,
  lost: [],
  lostChannels: new Map(),
  after: null,
  ...more,
});

const audited = (...ranges: readonly ReceivedRange[]): StreamReport | undefined => {
  const audit = createAudit();
  for (const each of ranges) audit.take("@d:x", each);
  return audit.streams()[0];
};

describe("an audit", () => {
  it("finds a whole stream whole, its losses told", () => {
    const lost = [{ from: 7, count: 2, reason: "full", fromMs: 1000, untilMs: 2000 }];
    expect(audited(range(0, 5), range(5, 5, { lost }), range(10, 1))).toMatchObject({
      readings: 9,
      lost: { full: 2 },
      lostWhen: { full: { fromMs: 1000, untilMs: 2000 } },
      unexplained: 0,
      gaps: [],
      repeatedNumbers: 0,
      outOfOrder: 0,
      events: 3,
    });
  });

  it("finds what is missing, at the beginning too, and what comes twice or late", () => {
    expect(audited(range(2, 3), range(8, 2), range(8, 2), range(5, 1))).toMatchObject({
      gaps: [
        { from: 0, until: 2 },
        { from: 6, until: 8 },
      ],
      repeatedNumbers: 2,
      repeatedEvents: 1,
      outOfOrder: 1,
      readings: 6,
    });
  });

  it("keeps apart what two senders call by one name", () => {
    const audit = createAudit();
    audit.take("@d:x", range(0, 1));
    audit.take("@mallory:x", range(0, 1));
    expect(audit.streams().map(({ repeatedNumbers, sender }) => [sender, repeatedNumbers])).toEqual([
      ["@d:x", 0],
      ["@mallory:x", 0],
    ]);
  });

  it("finds what is missing at the end of a stream that another one followed", () => {
    const after = { stream: "s", end: 8 };
    expect(audited(range(0, 5), range(0, 3, { stream: "t", after }))).toMatchObject({
      end: 8,
      gaps: [{ from: 5, until: 8 }],
    });
    expect(audited(range(0, 3, { stream: "t", after }), range(0, 8))).toMatchObject({
      stream: "t",
      gaps: [],
    });
    expect(audited(range(0, 8), range(0, 3, { stream: "t", after }))).toMatchObject({ gaps: [], beyond: 0 });
  });

  it("finds a stream of which nothing is there but that it ended", () => {
    const audit = createAudit();
    audit.take("@d:x", range(0, 3, { after: { stream: "gone", end: 2 } }));
    expect(audit.streams().map(({ bootSeq, gaps, stream }) => ({ bootSeq, gaps, stream }))).toEqual([
      { bootSeq: 1, gaps: [], stream: "s" },
      { bootSeq: null, gaps: [{ from: 0, until: 2 }], stream: "gone" },
    ]);
  });

  it("finds readings behind the end that was told", () => {
    const after = { stream: "s", end: 4 };
    expect(audited(range(0, 6), range(0, 1, { stream: "t", after }))).toMatchObject({ beyond: 2, gaps: [] });
  });

  it("takes a loss without a date, or of an unknown reason, for no explanation", () => {
    const undated = [{ from: 0, count: 2, reason: "full" }];
    const unknown = [{ from: 2, count: 3, reason: "unknown", fromMs: 1, untilMs: 2 }];
    const report = audited(range(0, 2, { lost: undated }), range(2, 4, { lost: unknown }));
    expect(report).toMatchObject({ unexplained: 5, gaps: [], readings: 1 });
    expect(report === undefined || isWhole(report)).toBe(false);
  });

  it("agrees with a naive twin that counts each number", () => {
    const some = fc.tuple(fc.nat(60), fc.integer({ min: 1, max: 12 }));
    fc.assert(
      fc.property(fc.array(some, { minLength: 1, maxLength: 12 }), (events) => {
        const seen = new Map<number, number>();
        for (const [seq, count] of events)
          for (let at = seq; at < seq + count; at += 1) seen.set(at, (seen.get(at) ?? 0) + 1);
        const last = Math.max(...seen.keys());
        const missing = Array.from({ length: last }, (_, at) => at).filter((at) => !seen.has(at));
        const repeated = [...seen.values()].reduce((sum, times) => sum + times - 1, 0);
        const report = audited(...events.map(([seq, count]) => range(seq, count)));
        const gaps = (report?.gaps ?? []).flatMap(({ from, until }) =>
          Array.from({ length: until - from }, (_, at) => from + at),
        );
        expect(gaps).toEqual(missing);
        expect(report).toMatchObject({ readings: seen.size, repeatedNumbers: repeated });
      }),
    );
  });
});
