// Where the system says what it knows of the time: timesyncd's flag file, the kernel's list of battery-backed clocks, chronyc.
import { execFile } from "node:child_process";
import { existsSync, statSync } from "node:fs";
import type { Timers } from "#agent/runtime.ts";
import { pollChrony } from "./chrony.ts";
import type { ClockProbes } from "./clock-watch.ts";
import { CHRONY_ANSWER_BYTES_MAX, CHRONY_TIMEOUT_MS } from "./limits.ts";

/** systemd-timesyncd touches it at each synchronisation (systemd-timesyncd.service(8)). */
const TIMESYNC_FLAG = "/run/systemd/timesync/synchronized";
const RTC = "/sys/class/rtc/rtc0";
const CHRONYC = "/usr/bin/chronyc";

const flagStamp = (): number | null => {
  try {
    return statSync(TIMESYNC_FLAG).mtimeMs;
  } catch {
    return null;
  }
};

/** By numbers only, by its loopback port: it asks no name server and needs no right. */
const askChronyc = (): Promise<string | null> =>
  new Promise((resolve) => {
    const options = {
      timeout: CHRONY_TIMEOUT_MS,
      maxBuffer: CHRONY_ANSWER_BYTES_MAX,
      encoding: "utf8",
    } as const;
    execFile(CHRONYC, ["-c", "-n", "tracking"], options, (error, stdout) =>
      resolve(error === null ? stdout : null),
    );
  });

/** `chrony`: whether chronyc is asked, where there is one, until the signal is aborted. */
export const systemProbes = (timers: Timers, chrony: boolean, signal: AbortSignal): ClockProbes => {
  const held = chrony && existsSync(CHRONYC) ? pollChrony(timers, signal, askChronyc) : () => null;
  return {
    synchronised: () => existsSync(TIMESYNC_FLAG),
    flagStamp,
    rtc: () => existsSync(RTC),
    chrony: held,
  };
};
