// What is known of the wall clock (DESIGN 4): a Pi has no clock of its own, so until something says what time it is, the time means nothing.
// One pure function over what was seen; `ClockWatch` keeps looking.
import type { Clock, Log } from "#agent/runtime.ts";
import type { ClockState } from "#agent/telemetry/reading.ts";

export interface ClockSigns {
  readonly wallMs: number;
  /** The build's date: no honest clock is earlier. */
  readonly buildMs: number;
  /** timesyncd's flag file is there, or another daemon said that it is synchronised. */
  readonly synchronised: boolean;
  /** A battery-backed clock is there. */
  readonly rtc: boolean;
  /** What the server's clock would show now, by its last answer; null before the first. */
  readonly server: { readonly nowMs: number; readonly ageMs: number } | null;
}

/** A server's clock is a bound, not a source: it catches a clock that is wrong by minutes, never one that is off by seconds. */
const SERVER_OFFSET_MAX_MS = 60_000;

/** What a poor quartz gains or loses on the time since the answer. */
const DRIFT_MAX = 200e-6;

/** After that a synchronised clock is believed more than an old answer: monotonic time stands still while a board sleeps. */
const SERVER_FRESH_MS = 600_000;

/** A battery-backed clock that lost its power may show any date; none of ours runs a build this old. */
const BUILD_AGE_MAX_MS = 20 * 365.25 * 86_400_000;

const contradicts = ({ server, synchronised, wallMs }: ClockSigns): boolean => {
  if (server === null || (synchronised && server.ageMs > SERVER_FRESH_MS)) return false;
  return Math.abs(wallMs - server.nowMs) > SERVER_OFFSET_MAX_MS + server.ageMs * DRIFT_MAX;
};

export const clockStateOf = (signs: ClockSigns): ClockState => {
  const { buildMs, rtc, server, synchronised, wallMs } = signs;
  if (wallMs < buildMs || wallMs > buildMs + BUILD_AGE_MAX_MS || contradicts(signs)) return "unset";
  if (synchronised) return "ntp";
  return rtc || server !== null ? "rtc" : "unset";
};

export interface ClockProbes {
  /** Whether timesyncd's flag file exists: /run/systemd/timesync/synchronized. */
  synchronised(): boolean;
  /** Whether the kernel has a battery-backed clock: /sys/class/rtc/rtc0. */
  rtc(): boolean;
}

const PROBE_EVERY_MS = 1000;

export class ClockWatch {
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #probes: ClockProbes;
  readonly #buildMs: number;
  /** Kept with the monotonic time of the answer: a wall clock that is set later is seen at once, online or not. */
  #server: { readonly dateMs: number; readonly monoMs: number } | null = null;
  #probed: { readonly atMs: number; readonly synchronised: boolean; readonly rtc: boolean } | null = null;
  #last: ClockState | null = null;

  constructor(clock: Clock, log: Log, probes: ClockProbes, buildMs: number) {
    this.#clock = clock;
    this.#log = log;
    this.#probes = probes;
    this.#buildMs = buildMs;
  }

  /** The `Date` of an answer of the homeserver. */
  serverDate(dateMs: number): void {
    this.#server = { dateMs, monoMs: this.#clock.monoMs() };
  }

  state(): ClockState {
    const monoMs = this.#clock.monoMs();
    const ageMs = monoMs - (this.#server?.monoMs ?? monoMs);
    const { rtc, synchronised } = this.#probe(monoMs);
    const state = clockStateOf({
      wallMs: this.#clock.wallMs(),
      buildMs: this.#buildMs,
      synchronised,
      rtc,
      server: this.#server === null ? null : { nowMs: this.#server.dateMs + ageMs, ageMs },
    });
    if (state !== this.#last && this.#last !== null)
      this.#log.info({ from: this.#last, to: state }, "what is known of the clock changed");
    this.#last = state;
    return state;
  }

  /** Asked for with every batch of readings; the files are looked at once a second. */
  #probe(monoMs: number): { readonly synchronised: boolean; readonly rtc: boolean } {
    if (this.#probed === null || monoMs - this.#probed.atMs >= PROBE_EVERY_MS)
      this.#probed = {
        atMs: monoMs,
        synchronised: this.#probes.synchronised(),
        rtc: this.#probes.rtc(),
      };
    return this.#probed;
  }
}
