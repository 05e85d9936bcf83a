import { describe, expect, it } from "vitest";
import { gpsTimeOf, watchGps } from "#agent/time/gps-source.ts";
import type { Reading } from "#drivers/driver.ts";

const NOW = Date.UTC(2026, 10, 24, 12);
const reading = (change: Partial<Reading>): Reading => ({ name: "gps/time", value: 0, monoMs: 7, ...change });

describe("a receiver's time", () => {
  it.each<[string, Partial<Reading>, number | null]>([
    ["in seconds", { value: NOW / 1000 }, NOW],
    ["in milliseconds", { value: NOW }, NOW],
    ["as text", { value: "2026-11-24T12:00:00Z" }, NOW],
    ["as text of another zone", { value: "2026-11-24T14:00:00+02:00" }, NOW],
    ["as the stamp of any reading", { value: true, sourceMs: NOW }, NOW],
    ["not yet, without a fix", { value: 0 }, null],
    ["not from a local time", { value: "2026-11-24T12:00:00" }, null],
    ["not from what is no date", { value: "2026-13-45T99:00:00Z" }, null],
    ["not from what is no number", { value: Number.NaN }, null],
  ])("is read %s", (_how, change, ms) => {
    expect(gpsTimeOf(reading(change))).toBe(ms);
  });

  it("is that of the configured reading only", () => {
    const told: unknown[] = [];
    const watch = watchGps("gps/time", (wallMs, monoMs) => told.push([wallMs, monoMs]));
    watch([reading({ name: "gps/lat", value: NOW }), reading({ value: NOW })]);
    expect(told).toEqual([[NOW, 7]]);
  });
});
