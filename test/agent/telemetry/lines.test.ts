import { describe, expect, it } from "vitest";
import type { JsonObject } from "#agent/matrix/types.ts";
import {
  COLUMNS_ENCODING,
  encodeFile,
  encodeLoss,
  encodePlain,
  fitEvent,
  fitPack,
  type StampedReading,
} from "#agent/telemetry/index.ts";
import { contentLines } from "#agent/telemetry/lines.ts";

const head = {
  device: "d",
  stream: "s",
  epoch: { boot: "b", bootSeq: 1, clock: "ntp" },
  seq: 0,
  lost: [{ from: 0, count: 3, reason: "full" }],
} as const;
const ticks = (count: number): StampedReading[] =>
  Array.from({ length: count }, (_, at) => ({
    name: `n${at % 2}`,
    unit: "V",
    value: at / 2,
    timeMs: at,
    monoMs: at,
  }));
const LOST = `${" ".repeat(23)}  d  #0..2  lost: full`;

describe("an event as lines", () => {
  it("shows losses and each reading of a small one, in whatever form", () => {
    const shown = [
      LOST,
      "1970-01-01 00:00:00.000  d  #3  n0 = 0 V",
      "1970-01-01 00:00:00.001  d  #4  n1 = 0.5 V",
    ];
    expect(contentLines("telemetry", encodePlain({ ...head, readings: ticks(2) }))).toEqual(shown);
    const options = { encoding: COLUMNS_ENCODING, encrypted: false, plainMax: 0 };
    expect(contentLines("telemetry", fitEvent(head, ticks(2), options)?.content ?? {})).toEqual(shown);
  });

  it("sums up a large pack by channel", () => {
    const options = { encoding: COLUMNS_ENCODING, encrypted: true, plainMax: 0 };
    const lines = contentLines("telemetry", fitEvent(head, ticks(1000), options)?.content ?? {});
    expect(lines).toEqual([
      LOST,
      "1970-01-01 00:00:00.000  d  #0..1002  1000 readings of 2 channels until 1970-01-01 00:00:00.999",
      "1970-01-01 00:00:00.998  d  #1001  n0 = 499 V  (last of 500, 0 to 499)",
      "1970-01-01 00:00:00.999  d  #1002  n1 = 499.5 V  (last of 500, 0.5 to 499.5)",
    ]);
  });

  it("tells of an attachment without fetching it, of losses, and why it cannot read something", () => {
    const fitted = fitPack(ticks(10), { encoding: COLUMNS_ENCODING, bytesMax: 1000 });
    const content: JsonObject =
      fitted === null ? {} : encodeFile(head, fitted.span, fitted.pack, "mxc://example.org/a");
    expect(contentLines("telemetry", content)).toEqual([
      LOST,
      `1970-01-01 00:00:00.000  d  #0..12  in an attachment of ${fitted?.pack.bytes.length} bytes until 1970-01-01 00:00:00.009`,
    ]);
    expect(contentLines("loss", encodeLoss(head))).toEqual([LOST]);
    expect(contentLines("telemetry", { v: 2 })).toEqual(["telemetry: version 1 is known, found 2"]);
    expect(contentLines("telemetry", { url: 5 })).toHaveLength(1);
  });
});
