import { describe, expect, it } from "vitest";
import { type ClockEpoch, ClockWatch } from "#agent/time/clock-watch.ts";
import { measure } from "#agent/time/measure.ts";

const BUILD = Date.UTC(2026, 0, 1);
const NOW = Date.UTC(2026, 10, 24);
const HOUR = 3_600_000;
const YEARS_50 = 50 * 365.25 * 24 * HOUR;
const ignore = (): void => undefined;
const silent = { debug: ignore, info: ignore, warn: ignore, error: ignore };

interface World {
  wall: number;
  mono: number;
  flag: boolean;
  stamp: number;
  rtc: boolean;
  looks: number;
}

const watching = (change: Partial<World> = {}) => {
  const world: World = { wall: NOW, mono: 0, flag: false, stamp: 1, rtc: true, looks: 0, ...change };
  const clock = { wallMs: () => world.wall, monoMs: () => world.mono };
  const probes = {
    synchronised: () => {
      world.looks += 1;
      return world.flag;
    },
    flagStamp: () => (world.flag ? world.stamp : null),
    rtc: () => world.rtc,
  };
  const watch = new ClockWatch(clock, silent, probes, BUILD);
  const pass = (ms: number): void => {
    world.wall += ms;
    world.mono += ms;
  };
  return { world, watch, pass };
};

describe("the watch", () => {
  it("sees at once that the clock was set, with an answer from before", () => {
    const { pass, watch, world } = watching({ wall: NOW - 5 * HOUR });
    watch.serverDate(NOW);
    expect(watch.state()).toBe("unset");
    world.wall = NOW;
    pass(1000);
    expect(watch.state()).toBe("rtc");
  });

  it("sees at once that the clock was set wrong while no server can be reached", () => {
    const { pass, watch, world } = watching();
    watch.serverDate(NOW);
    pass(60_000);
    expect(watch.state()).toBe("rtc");
    world.wall += HOUR;
    expect(watch.state()).toBe("unset");
  });

  it("looks at the files at most once a second, however many readings come", () => {
    const { pass, watch, world } = watching();
    for (let index = 0; index < 100; index += 1) watch.state();
    expect(world.looks).toBe(1);
    world.flag = true;
    pass(1000);
    expect(watch.state()).toBe("ntp");
  });

  it("stays in one epoch while the clocks run together", () => {
    const { pass, watch } = watching({ flag: true });
    const first = watch.epoch();
    for (let hour = 0; hour < 100; hour += 1) {
      pass(HOUR + 0.3);
      expect(watch.epoch()).toBe(first);
    }
  });

  it("begins a new epoch when the clock is stepped, with the same knowledge of it", () => {
    const { pass, watch, world } = watching({ flag: true });
    const first = watch.epoch();
    pass(5000);
    world.wall -= 2500;
    const second = watch.epoch();
    expect([first.clock, second.clock]).toEqual(["ntp", "ntp"]);
    expect(second.line.baseMs - first.line.baseMs).toBe(-2500);
  });

  it.each([
    ["50 years ahead", YEARS_50],
    ["50 years back", -YEARS_50],
    ["an hour ahead", HOUR],
  ])("believes a clock that jumps %s only after another synchronisation", (_where, jumpMs) => {
    const { pass, watch, world } = watching({ flag: true });
    expect(watch.state()).toBe("ntp");
    pass(10_000);
    world.wall += jumpMs;
    expect(watch.state()).toBe("unset");
    pass(10_000);
    expect(watch.state()).toBe("unset");
    world.wall -= jumpMs - 30;
    world.stamp += 1;
    pass(10_000);
    expect(watch.state()).toBe("ntp");
  });

  it("believes a clock that jumped when the server confirms it: a board that slept", () => {
    const { watch, world } = watching({ flag: true });
    expect(watch.state()).toBe("ntp");
    world.wall += 8 * HOUR;
    expect(watch.state()).toBe("unset");
    watch.serverDate(NOW + 8 * HOUR);
    expect(watch.state()).toBe("ntp");
  });

  it("takes a jump that comes with the first synchronisation for what it is", () => {
    const { pass, watch, world } = watching({ wall: NOW - HOUR });
    expect(watch.state()).toBe("rtc");
    pass(10_000);
    world.wall += HOUR;
    world.flag = true;
    expect(watch.state()).toBe("ntp");
  });

  it("tells who listens of the epoch that it is in, and of each new one", () => {
    const { pass, watch, world } = watching({ rtc: false });
    const told: ClockEpoch[] = [];
    watch.onEpoch((epoch) => told.push(epoch));
    world.flag = true;
    pass(2000);
    watch.state();
    watch.state();
    expect(told.map(({ clock }) => clock)).toEqual(["unset", "ntp"]);
  });

  it("keeps the time of a receiver through the years that a wrong wall clock says", () => {
    const { pass, watch, world } = watching({ wall: 5000, rtc: false });
    expect(watch.nowMs()).toBe(BUILD);
    watch.gpsTime(NOW, world.mono);
    expect([watch.state(), watch.nowMs()]).toEqual(["gps", NOW]);
    pass(HOUR);
    world.wall += 12_345_678;
    expect([watch.state(), watch.nowMs()]).toEqual(["gps", NOW + HOUR]);
  });

  it("does not begin an epoch at each fix of a receiver whose sentences come late by turns", () => {
    const { pass, watch, world } = watching({ wall: NOW - HOUR, rtc: false });
    const epochs = new Set<ClockEpoch>();
    for (let fix = 0; fix < 100; fix += 1) {
      watch.gpsTime(NOW + fix * 1000 - (fix % 10) * 90, world.mono);
      epochs.add(watch.epoch());
      pass(1000);
    }
    expect(epochs.size).toBe(1);
  });
});

describe("measuring", () => {
  it("takes the look in which the clocks were read closest together", () => {
    // Put aside for 300 ms between the first two looks.
    const monos = [1000, 1300, 1300, 1300.1];
    const clock = { wallMs: () => NOW + (monos[0] ?? 0), monoMs: () => monos.shift() ?? 0 };
    expect(measure(clock).baseMs).toBe(NOW);
  });
});
