import { describe, expect, it } from "vitest";
import type { Timers } from "#agent/runtime.ts";
import { type Held, parseTracking, pollChrony } from "#agent/time/chrony.ts";

// As chronyc 4.3 prints them; addresses of RFC 5737.
const SYNCHRONISED =
  "C0000201,192.0.2.1,3,1763999990.123456789,0.000012345,-0.000023456,0.000034567,-12.345,0.001,0.123,0.012345678,0.001234567,64.2,Normal\n";
const NEVER =
  "00000000,,0,0.000000000,0.000000000,0.000000000,0.000000000,0.000,0.000,0.000,1.000000000,1.000000000,0.0,Not synchronised\n";

describe("chronyc's word", () => {
  it.each<[string, string, Held]>([
    ["a clock held by the network", SYNCHRONISED, "ntp"],
    ["a clock that was never synchronised", NEVER, null],
    ["a leap second to come", SYNCHRONISED.replace("Normal", "Insert second"), "ntp"],
    ["a clock that is still hours away", SYNCHRONISED.replace("0.000012345", "-7200.5"), null],
    ["a chronyd that serves its own clock", SYNCHRONISED.replace("C0000201,192.0.2.1", "7F7F0101,"), null],
    ["a receiver by its name", SYNCHRONISED.replace("C0000201,192.0.2.1,3", "47505300,GPS,1"), "gps"],
    ["a pulse of a receiver", SYNCHRONISED.replace("C0000201,192.0.2.1,3", "50505300,PPS,1"), "gps"],
    [
      "a server whose address reads like a receiver's name",
      SYNCHRONISED.replace("C0000201,192.0.2.1", "47505300,71.80.83.0"),
      "ntp",
    ],
    ["an error", "506 Cannot talk to daemon\n", null],
    ["nothing", "", null],
    ["more fields than it knows", SYNCHRONISED.replace(",Normal", ",0,Normal"), null],
    ["an offset that is no number", SYNCHRONISED.replace("0.000012345", "x"), null],
  ])("%s", (_what, text, held) => {
    expect(parseTracking(text)).toBe(held);
  });
});

describe("asking chronyc", () => {
  it("goes on until it is stopped, seldom once the clock is held", async () => {
    const delays: number[] = [];
    const aborter = new AbortController();
    let asked = 0;
    const answers = [null, NEVER, SYNCHRONISED];
    const timers: Timers = {
      after: (delayMs, callback) => {
        delays.push(delayMs);
        if (delays.length === answers.length) aborter.abort();
        else setImmediate(callback);
        return () => undefined;
      },
    };
    const held = pollChrony(timers, aborter.signal, () => Promise.resolve(answers[asked++] ?? null));
    while (!aborter.signal.aborted) await new Promise((resolve) => setImmediate(resolve));
    expect(held()).toBe("ntp");
    expect(delays).toEqual([15_000, 15_000, 120_000]);
  });
});
