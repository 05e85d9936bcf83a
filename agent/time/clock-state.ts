// What is known of the wall clock (DESIGN 4): a Pi has no clock of its own, so until something says what time it is, the time means nothing.
// One pure function over what was seen; `ClockWatch` (clock-watch.ts) keeps looking.
import type { ClockState } from "#agent/telemetry/reading.ts";
import {
  BUILD_AGE_MAX_MS,
  DRIFT_MAX,
  GPS_HOLD_MS,
  GPS_OFFSET_MAX_MS,
  SERVER_FRESH_MS,
  SERVER_OFFSET_MAX_MS,
} from "./limits.ts";

/** What another clock would show now, by what it said `ageMs` ago. */
export interface OtherClock {
  readonly nowMs: number;
  readonly ageMs: number;
}

export interface ClockSigns {
  readonly wallMs: number;
  /** Since the boot. */
  readonly monoMs: number;
  /** The build's date: no honest clock is earlier. */
  readonly buildMs: number;
  /** A daemon holds the clock: by the network, or by a receiver of its own. */
  readonly daemon: "ntp" | "gps" | null;
  /** A battery-backed clock is there. */
  readonly rtc: boolean;
  /** The homeserver, by its last answer; null before the first. */
  readonly server: OtherClock | null;
  /** The configured GPS reading; null before the first. */
  readonly gps: OtherClock | null;
}

export interface Judgement {
  readonly clock: ClockState;
  /** What must be added to the wall clock to get the time that is stamped (ms). */
  readonly correctionMs: number;
}

const isPlausible = (ms: number, buildMs: number): boolean =>
  ms >= buildMs && ms <= buildMs + BUILD_AGE_MAX_MS;

const isFar = (ms: number, { ageMs, nowMs }: OtherClock): boolean =>
  Math.abs(ms - nowMs) > SERVER_OFFSET_MAX_MS + ageMs * DRIFT_MAX;

const contradicts = ({ daemon, server, wallMs }: ClockSigns): boolean => {
  if (server === null || (daemon !== null && server.ageMs > SERVER_FRESH_MS)) return false;
  return isFar(wallMs, server);
};

/** A receiver that forgot a rollover of the week counter is 19.6 years off. */
const usableGps = ({ buildMs, gps, server }: ClockSigns): OtherClock | null => {
  if (gps === null || gps.ageMs > GPS_HOLD_MS || !isPlausible(gps.nowMs, buildMs)) return null;
  return server !== null && isFar(gps.nowMs, server) ? null : gps;
};

const byGps = (wallMs: number, gps: OtherClock): Judgement => {
  const difference = gps.nowMs - wallMs;
  return { clock: "gps", correctionMs: Math.abs(difference) <= GPS_OFFSET_MAX_MS ? 0 : difference };
};

/** Time never begins before the build: where nothing better is known, the boot is taken to have begun at the build's date. */
const unset = ({ buildMs, monoMs, wallMs }: ClockSigns): Judgement => ({
  clock: "unset",
  correctionMs: wallMs < buildMs ? buildMs + monoMs - wallMs : 0,
});

export const judgeClock = (signs: ClockSigns): Judgement => {
  const { buildMs, daemon, rtc, server, wallMs } = signs;
  const good = isPlausible(wallMs, buildMs) && !contradicts(signs);
  if (good && daemon !== null) return { clock: daemon, correctionMs: 0 };
  const gps = usableGps(signs);
  if (gps !== null) return byGps(wallMs, gps);
  return good && (rtc || server !== null) ? { clock: "rtc", correctionMs: 0 } : unset(signs);
};

/** Whether the homeserver's clock, asked in this boot, agrees with the wall clock. */
export const isConfirmed = (signs: ClockSigns): boolean =>
  signs.server !== null && !isFar(signs.wallMs, signs.server);
