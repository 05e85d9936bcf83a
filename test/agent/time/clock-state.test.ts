import { describe, expect, it } from "vitest";
import { type ClockSigns, ClockWatch, clockStateOf } from "#agent/time/clock-state.ts";

const BUILD = Date.UTC(2026, 0, 1);
const NOW = Date.UTC(2026, 10, 24);
const HOUR = 3_600_000;
const signs: ClockSigns = { wallMs: NOW, buildMs: BUILD, synchronised: false, rtc: false, server: null };
const ignore = (): void => undefined;
const silent = { debug: ignore, info: ignore, warn: ignore, error: ignore };

describe("the clock is", () => {
  it.each<[string, Partial<ClockSigns>, string]>([
    ["unset before anything is known of it", {}, "unset"],
    ["unset when it shows a date before the build", { wallMs: BUILD - 1, synchronised: true }, "unset"],
    [
      "unset when a battery clock shows a date decades ahead",
      { wallMs: Date.UTC(2099, 0), rtc: true },
      "unset",
    ],
    ["rtc where a battery keeps it", { rtc: true }, "rtc"],
    ["rtc once a server confirmed it", { server: { nowMs: NOW - 30_000, ageMs: 0 } }, "rtc"],
    ["ntp once it is synchronised", { synchronised: true, rtc: true }, "ntp"],
    ["unset when the server contradicts", { rtc: true, server: { nowMs: NOW - HOUR, ageMs: 0 } }, "unset"],
    [
      "unset when a fresh answer contradicts a clock that says it is synchronised",
      { synchronised: true, server: { nowMs: NOW - HOUR, ageMs: 1000 } },
      "unset",
    ],
    [
      "ntp when only an old answer contradicts: a board that slept has no monotonic time for it",
      { synchronised: true, server: { nowMs: NOW - 8 * HOUR, ageMs: HOUR } },
      "ntp",
    ],
    [
      "rtc after weeks offline: a quartz drifts",
      { rtc: true, server: { nowMs: NOW - 200_000, ageMs: 14 * 24 * HOUR } },
      "rtc",
    ],
  ])("%s", (_what, change, state) => {
    expect(clockStateOf({ ...signs, ...change })).toBe(state);
  });
});

describe("the watch", () => {
  const watching = () => {
    const time = { wall: NOW, mono: 0, flag: false, looks: 0 };
    const clock = { wallMs: () => time.wall, monoMs: () => time.mono };
    const synchronised = (): boolean => {
      time.looks += 1;
      return time.flag;
    };
    return { time, watch: new ClockWatch(clock, silent, { synchronised, rtc: () => true }, BUILD) };
  };

  it("sees at once that the clock was set, with an answer from before", () => {
    const { time, watch } = watching();
    time.wall = NOW - 5 * HOUR;
    watch.serverDate(NOW);
    expect(watch.state()).toBe("unset");
    time.wall = NOW + 1000;
    time.mono = 1000;
    expect(watch.state()).toBe("rtc");
  });

  it("sees at once that the clock was set wrong while no server can be reached", () => {
    const { time, watch } = watching();
    watch.serverDate(NOW);
    time.mono = 60_000;
    time.wall = NOW + 60_000;
    expect(watch.state()).toBe("rtc");
    time.wall = NOW + HOUR;
    expect(watch.state()).toBe("unset");
  });

  it("looks at the files at most once a second, however many readings come", () => {
    const { time, watch } = watching();
    for (let index = 0; index < 100; index += 1) watch.state();
    expect(time.looks).toBe(1);
    time.mono = 1000;
    time.flag = true;
    expect(watch.state()).toBe("ntp");
  });
});
