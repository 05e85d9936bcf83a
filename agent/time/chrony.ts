// What chronyd knows of the clock, asked by `chronyc -c -n tracking` (chronyc(1), "tracking"; Debian's other time daemon). Optional: where there is no
// chronyc, nothing is asked and nothing is said. The answer is one line of comma-separated values:
//
//   reference ID, name or address, stratum, reference time, system time offset (s), last offset, RMS offset, frequency, residual, skew, root delay,
//   root dispersion, update interval, leap status
import { pause, type Timers } from "#agent/runtime.ts";
import {
  CHRONY_EVERY_SYNCHRONISED_MS,
  CHRONY_EVERY_UNSYNCHRONISED_MS,
  CHRONY_OFFSET_MAX_S,
} from "./limits.ts";

export type Held = "ntp" | "gps" | null;

const FIELDS = 14;

/** Reference clocks as chrony.conf's own examples name them ("refclock SHM 0 refid GPS"). */
const RECEIVER = /^(?:GPS|PPS|NMEA|GNSS|SHM|GPSD|SOCK)/i;

/** `local stratum`: chronyd serves its own clock for want of a better one. */
const LOCAL_REFERENCE = "7F7F0101";

const SYNCHRONISED: ReadonlySet<string> = new Set(["Normal", "Insert second", "Delete second"]);

/** The name of a reference clock is its ID: up to four characters, as hexadecimal digits. */
const referenceText = (id: string): string =>
  /^[0-9A-F]{8}$/i.test(id) ? Buffer.from(id, "hex").toString("latin1").replaceAll("\0", "") : "";

/** Pure. Null: not synchronised, or no answer of chronyc. */
export const parseTracking = (text: string): Held => {
  const fields = (text.split("\n")[0] ?? "").trim().split(",");
  const [id = "", name = "", stratum = "", , offset = ""] = fields;
  const leap = fields[FIELDS - 1] ?? "";
  if (fields.length !== FIELDS || !SYNCHRONISED.has(leap)) return null;
  if (id.toUpperCase() === LOCAL_REFERENCE || !/^\d+$/.test(stratum) || Number(stratum) === 0) return null;
  // It holds the clock, but has not brought it there yet: it slews what it may not step.
  if (!(Math.abs(Number(offset)) <= CHRONY_OFFSET_MAX_S)) return null;
  const isReceiver = RECEIVER.test(name) || (Number(stratum) === 1 && RECEIVER.test(referenceText(id)));
  return isReceiver ? "gps" : "ntp";
};

/** Asks every so often until the signal is aborted; `ask` gives chronyc's output, or null where it cannot be run. The result is its last word. */
export const pollChrony = (
  timers: Timers,
  signal: AbortSignal,
  ask: () => Promise<string | null>,
): (() => Held) => {
  let held: Held = null;
  const keepAsking = async (): Promise<void> => {
    while (!signal.aborted) {
      const answer = await ask();
      held = answer === null ? null : parseTracking(answer);
      const delayMs = held === null ? CHRONY_EVERY_UNSYNCHRONISED_MS : CHRONY_EVERY_SYNCHRONISED_MS;
      await pause(timers, delayMs, signal);
    }
  };
  void keepAsking();
  return () => held;
};
