// Where the system says what it knows of the time: timesyncd's flag file, the kernel's list of battery-backed clocks.
import { existsSync } from "node:fs";
import type { ClockProbes } from "./clock-state.ts";

/** systemd-timesyncd touches it once it has synchronised (systemd-timesyncd.service(8)). */
const TIMESYNC_FLAG = "/run/systemd/timesync/synchronized";
const RTC = "/sys/class/rtc/rtc0";

export const systemProbes = (): ClockProbes => ({
  synchronised: () => existsSync(TIMESYNC_FLAG),
  rtc: () => existsSync(RTC),
});
