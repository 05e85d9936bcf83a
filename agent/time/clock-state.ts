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
  /** Wall time minus the server's `Date` header; null before the first answer. */
  readonly serverOffsetMs: number | null;
}

/** A server's clock is a bound, not a source: it catches a clock that is wrong by minutes, never one that is off by seconds. */
const SERVER_OFFSET_MAX_MS = 60_000;

export const clockStateOf = ({
  buildMs,
  rtc,
  serverOffsetMs,
  synchronised,
  wallMs,
}: ClockSigns): ClockState => {
  if (wallMs < buildMs) return "unset";
  if (serverOffsetMs !== null && Math.abs(serverOffsetMs) > SERVER_OFFSET_MAX_MS) return "unset";
  if (synchronised) return "ntp";
  return rtc || serverOffsetMs !== null ? "rtc" : "unset";
};

export interface ClockProbes {
  /** Whether timesyncd's flag file exists: /run/systemd/timesync/synchronized. */
  synchronised(): boolean;
  /** Whether the kernel has a battery-backed clock: /sys/class/rtc/rtc0. */
  rtc(): boolean;
}

export class ClockWatch {
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #probes: ClockProbes;
  readonly #buildMs: number;
  #serverOffsetMs: number | null = null;
  #last: ClockState | null = null;

  constructor(clock: Clock, log: Log, probes: ClockProbes, buildMs: number) {
    this.#clock = clock;
    this.#log = log;
    this.#probes = probes;
    this.#buildMs = buildMs;
  }

  /** The `Date` of an answer of the homeserver. */
  serverDate(dateMs: number): void {
    this.#serverOffsetMs = this.#clock.wallMs() - dateMs;
  }

  state(): ClockState {
    const state = clockStateOf({
      wallMs: this.#clock.wallMs(),
      buildMs: this.#buildMs,
      synchronised: this.#probes.synchronised(),
      rtc: this.#probes.rtc(),
      serverOffsetMs: this.#serverOffsetMs,
    });
    if (state !== this.#last && this.#last !== null)
      this.#log.info({ from: this.#last, to: state }, "what is known of the clock changed");
    this.#last = state;
    return state;
  }
}
