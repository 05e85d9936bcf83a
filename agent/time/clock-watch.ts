// Keeps looking at the clock and cuts time into epochs: stretches of a boot in which the wall clock runs evenly with the monotonic one and as much is
// known of it. A step (NTP, an operator, 50 years either way) begins a new one; within an epoch wall time is monotonic time plus a constant.
import type { Clock, Log } from "#agent/runtime.ts";
import type { ClockLine, ClockState } from "#agent/telemetry/reading.ts";
import { type ClockSigns, isConfirmed, type Judgement, judgeClock, type OtherClock } from "./clock-state.ts";
import { DISTRUST_STEP_MS, GPS_STEP_MS, PROBE_EVERY_MS, STEP_MS } from "./limits.ts";
import { measure } from "./measure.ts";

export interface ClockProbes {
  /** timesyncd's flag file exists: /run/systemd/timesync/synchronized. */
  synchronised(): boolean;
  /** The kernel has a battery-backed clock: /sys/class/rtc/rtc0. */
  rtc(): boolean;
  /** When the flag file was last touched, as any number that changes: timesyncd does it at each synchronisation. */
  flagStamp?(): number | null;
  /** What chronyd holds the clock by, as far as it was asked. */
  chrony?(): "ntp" | "gps" | null;
}

export interface ClockEpoch {
  readonly clock: ClockState;
  readonly line: ClockLine;
}

/** What a clock that jumped must show before it is believed again: other words than those from before the jump. */
interface Distrust {
  /** Where the line was when it was still known: if it comes back, nothing was lost. */
  readonly baseMs: number;
  readonly before: Probed;
}

interface Probed {
  readonly atMs: number;
  readonly synchronised: boolean;
  readonly stamp: number | null;
  readonly chrony: "ntp" | "gps" | null;
  readonly rtc: boolean;
}

/** When another clock said what. */
interface Told {
  readonly wallMs: number;
  readonly monoMs: number;
}

const otherClock = (told: Told | null, monoMs: number): OtherClock | null => {
  if (told === null) return null;
  const ageMs = Math.max(0, monoMs - told.monoMs);
  return { nowMs: told.wallMs + ageMs, ageMs };
};

const lineOf = (baseMs: number, { correctionMs }: Judgement): ClockLine => ({
  baseMs,
  offsetMs: Math.round(correctionMs),
});

/** A line that moved less than a step is the same one: its numbers stay as they were, so that times of one epoch share them. */
const isSame = (a: ClockEpoch, clock: ClockState, line: ClockLine): boolean =>
  a.clock === clock &&
  Math.abs(a.line.baseMs - line.baseMs) <= STEP_MS &&
  Math.abs(a.line.baseMs + a.line.offsetMs - line.baseMs - line.offsetMs) <=
    (clock === "gps" ? GPS_STEP_MS : STEP_MS);

export class ClockWatch {
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #probes: ClockProbes;
  readonly #buildMs: number;
  readonly #listeners: ((epoch: ClockEpoch) => void)[] = [];
  /** Kept with the monotonic time of the answer: a wall clock that is set later is seen at once, online or not. */
  #server: Told | null = null;
  #gps: Told | null = null;
  #probed: Probed | null = null;
  #distrust: Distrust | null = null;
  #epoch: ClockEpoch | null = null;

  constructor(clock: Clock, log: Log, probes: ClockProbes, buildMs: number) {
    this.#clock = clock;
    this.#log = log;
    this.#probes = probes;
    this.#buildMs = buildMs;
  }

  /** The `Date` of an answer of the homeserver. */
  serverDate(dateMs: number): void {
    this.#server = { wallMs: dateMs, monoMs: this.#clock.monoMs() };
    this.epoch();
  }

  /** What a GPS receiver said the time was at `monoMs`. */
  gpsTime(wallMs: number, monoMs: number): void {
    if (this.#gps === null || monoMs >= this.#gps.monoMs) this.#gps = { wallMs, monoMs };
  }

  /** The epoch that we are in; asked for with every batch of readings. */
  epoch(): ClockEpoch {
    const { baseMs, monoMs } = measure(this.#clock);
    const lastLook = this.#probed;
    const probed = this.#probe(monoMs);
    this.#watchForSteps(baseMs, lastLook ?? probed);
    const signs = this.#signs(baseMs, monoMs, probed);
    const judged = judgeClock(signs);
    const line = lineOf(baseMs, judged);
    const before = this.#epoch;
    if (before !== null && isSame(before, judged.clock, line)) return before;
    const epoch: ClockEpoch = { clock: judged.clock, line };
    this.#epoch = epoch;
    this.#tell(before, epoch);
    return epoch;
  }

  state(): ClockState {
    return this.epoch().clock;
  }

  /** The time now as it is stamped: the wall clock, corrected where something better is known. */
  nowMs(): number {
    const { line } = this.epoch();
    return Math.round(this.#clock.monoMs()) + line.baseMs + line.offsetMs;
  }

  /** Calls `listener` with the epoch that we are in, now and at each change that is seen. */
  onEpoch(listener: (epoch: ClockEpoch) => void): void {
    listener(this.epoch());
    this.#listeners.push(listener);
  }

  #tell(before: ClockEpoch | null, epoch: ClockEpoch): void {
    if (before !== null) {
      const movedMs = epoch.line.baseMs - before.line.baseMs;
      if (before.clock !== epoch.clock)
        this.#log.info({ from: before.clock, to: epoch.clock }, "what is known of the clock changed");
      if (Math.abs(movedMs) > STEP_MS) this.#log.info({ movedMs, clock: epoch.clock }, "the clock was set");
    }
    for (const listener of this.#listeners) listener(epoch);
  }

  /** `lastLook`: what the files said before this moment. A flag that came with the step is news then. */
  #watchForSteps(baseMs: number, lastLook: Probed): void {
    const before = this.#epoch;
    if (this.#distrust !== null && Math.abs(baseMs - this.#distrust.baseMs) <= STEP_MS) this.#distrust = null;
    if (this.#distrust !== null || before === null || before.clock === "unset") return;
    const knownMs = before.line.baseMs;
    if (Math.abs(baseMs - knownMs) > DISTRUST_STEP_MS) this.#distrust = { baseMs: knownMs, before: lastLook };
  }

  #signs(baseMs: number, monoMs: number, probed: Probed): ClockSigns {
    const signs: ClockSigns = {
      wallMs: baseMs + Math.round(monoMs),
      monoMs,
      buildMs: this.#buildMs,
      daemon: probed.chrony ?? (probed.synchronised ? "ntp" : null),
      rtc: probed.rtc,
      server: otherClock(this.#server, monoMs),
      gps: otherClock(this.#gps, monoMs),
    };
    if (this.#distrust === null) return signs;
    if (isConfirmed(signs) || isNews(probed, this.#distrust.before)) {
      this.#distrust = null;
      return signs;
    }
    return { ...signs, daemon: null, rtc: false };
  }

  #probe(monoMs: number): Probed {
    if (this.#probed !== null && monoMs - this.#probed.atMs < PROBE_EVERY_MS) return this.#probed;
    this.#probed = {
      atMs: monoMs,
      synchronised: this.#probes.synchronised(),
      stamp: this.#probes.flagStamp?.() ?? null,
      chrony: this.#probes.chrony?.() ?? null,
      rtc: this.#probes.rtc(),
    };
    return this.#probed;
  }
}

/** A daemon has said since then that it holds the clock. */
const isNews = (now: Probed, before: Probed): boolean =>
  (now.synchronised && (!before.synchronised || now.stamp !== before.stamp)) ||
  (now.chrony !== null && before.chrony === null);
