import { describe, expect, it } from "vitest";
import { type ClockSigns, judgeClock } from "#agent/time/clock-state.ts";

const BUILD = Date.UTC(2026, 0, 1);
const NOW = Date.UTC(2026, 10, 24);
const HOUR = 3_600_000;
const signs: ClockSigns = {
  wallMs: NOW,
  monoMs: 20_000,
  buildMs: BUILD,
  daemon: null,
  rtc: false,
  server: null,
  gps: null,
};

const DECADES_AHEAD = Date.UTC(2099, 0);
const ago = (ms: number, ageMs: number): { nowMs: number; ageMs: number } => ({ nowMs: NOW - ms, ageMs });

describe("the clock is", () => {
  it.each<[string, Partial<ClockSigns>, string]>([
    ["unset before anything is known of it", {}, "unset"],
    ["unset when it shows a date before the build", { wallMs: BUILD - 1, daemon: "ntp" }, "unset"],
    ["unset when a battery clock shows a date decades ahead", { wallMs: DECADES_AHEAD, rtc: true }, "unset"],
    ["rtc where a battery keeps it", { rtc: true }, "rtc"],
    ["rtc once a server confirmed it", { server: ago(30_000, 0) }, "rtc"],
    ["ntp once it is synchronised", { daemon: "ntp", rtc: true }, "ntp"],
    ["gps where a daemon holds it by a receiver", { daemon: "gps" }, "gps"],
    ["unset when the server contradicts", { rtc: true, server: ago(HOUR, 0) }, "unset"],
    [
      "unset when a fresh answer contradicts a clock that says it is synchronised",
      { daemon: "ntp", server: ago(HOUR, 1000) },
      "unset",
    ],
    [
      "ntp when only an old answer contradicts: a board that slept has no monotonic time for it",
      { daemon: "ntp", server: ago(8 * HOUR, HOUR) },
      "ntp",
    ],
    ["rtc after weeks offline: a quartz drifts", { rtc: true, server: ago(200_000, 14 * 24 * HOUR) }, "rtc"],
    ["gps once a receiver said the time", { gps: ago(0, 500) }, "gps"],
    ["ntp when it is synchronised, whatever a receiver says", { daemon: "ntp", gps: ago(HOUR, 500) }, "ntp"],
    ["unset when the last fix is days old", { gps: ago(0, 48 * HOUR) }, "unset"],
    ["unset when the receiver forgot a rollover", { gps: ago(1024 * 7 * 24 * HOUR, 0) }, "unset"],
    ["rtc when the server contradicts the receiver", { gps: ago(HOUR, 0), server: ago(0, 0) }, "rtc"],
  ])("%s", (_what, change, state) => {
    expect(judgeClock({ ...signs, ...change }).clock).toBe(state);
  });
});

describe("the correction", () => {
  it("is none for a clock that is taken as it is", () => {
    expect(judgeClock({ ...signs, daemon: "ntp" }).correctionMs).toBe(0);
    expect(judgeClock(signs).correctionMs).toBe(0);
  });

  it("brings a clock that a receiver contradicts to the receiver's time", () => {
    expect(judgeClock({ ...signs, gps: ago(-5 * HOUR, 0) }).correctionMs).toBe(5 * HOUR);
  });

  it("leaves a clock alone that is as right as a receiver's sentence can tell", () => {
    expect(judgeClock({ ...signs, gps: ago(1500, 0) }).correctionMs).toBe(0);
  });

  it("lets a boot that knows nothing begin at the build's date, never below it", () => {
    const { clock, correctionMs } = judgeClock({ ...signs, wallMs: 20_000 });
    expect([clock, 20_000 + correctionMs]).toEqual(["unset", BUILD + signs.monoMs]);
  });
});
