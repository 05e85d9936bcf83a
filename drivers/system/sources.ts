// Where the kernel says how the machine is: small parsers of files under /proc and /sys (proc(5), sysfs-class-thermal, sysfs-class-hwmon).
// Each takes the text of a file and gives numbers, or null where the file is not what it should be. Nothing here touches the disk.

/** Busy and total time since the boot in clock ticks, of all processors together (`cpu` line of /proc/stat). */
export interface CpuTimes {
  readonly busy: number;
  readonly total: number;
}

const numbersOf = (line: string): number[] => line.trim().split(/\s+/).map(Number);

// Columns: user nice system idle iowait irq softirq steal guest guest_nice; guest time is contained in user time already.
export const parseCpuTimes = (stat: string): CpuTimes | null => {
  const line = /^cpu\s+(.+)$/m.exec(stat)?.[1];
  const columns = numbersOf(line ?? "").slice(0, 8);
  if (columns.length < 5 || columns.some((value) => !Number.isFinite(value))) return null;
  const total = columns.reduce((sum, value) => sum + value, 0);
  const idle = (columns[3] ?? 0) + (columns[4] ?? 0);
  return { busy: total - idle, total };
};

/** Share of time that the processors worked between two looks, in percent. Null when no time has passed. */
export const cpuPercent = (before: CpuTimes, now: CpuTimes): number | null => {
  const total = now.total - before.total;
  if (total <= 0) return null;
  return Math.min(100, Math.max(0, ((now.busy - before.busy) / total) * 100));
};

/** The three load averages (1, 5 and 15 minutes). */
export const parseLoad = (loadavg: string): readonly [number, number, number] | null => {
  const [one, five, fifteen] = loadavg.trim().split(/\s+/).map(Number);
  return one === undefined ||
    five === undefined ||
    fifteen === undefined ||
    Number.isNaN(one + five + fifteen)
    ? null
    : [one, five, fifteen];
};

export interface Memory {
  readonly totalBytes: number;
  readonly availableBytes: number;
  readonly swapUsedBytes: number;
}

/** /proc/meminfo; `MemAvailable` is what can be had without swapping. */
export const parseMemory = (meminfo: string): Memory | null => {
  const bytes = (key: string): number | null => {
    const kibibytes = new RegExp(`^${key}:\\s+(\\d+) kB$`, "m").exec(meminfo)?.[1];
    return kibibytes === undefined ? null : Number(kibibytes) * 1024;
  };
  const [total, available] = [bytes("MemTotal"), bytes("MemAvailable")];
  if (total === null || available === null || total === 0) return null;
  return {
    totalBytes: total,
    availableBytes: available,
    swapUsedBytes: (bytes("SwapTotal") ?? 0) - (bytes("SwapFree") ?? 0),
  };
};

/** Seconds since the boot. */
export const parseUptime = (uptime: string): number | null => {
  const seconds = Number(uptime.trim().split(/\s+/)[0]);
  return uptime.trim() === "" || !Number.isFinite(seconds) ? null : seconds;
};

export interface Traffic {
  readonly interface: string;
  readonly receivedBytes: number;
  readonly sentBytes: number;
}

/** The counters of each network interface but loopback (/proc/net/dev). */
export const parseTraffic = (dev: string): Traffic[] =>
  dev.split("\n").flatMap((line) => {
    const match = /^\s*([^\s:]+):\s*(.+)$/.exec(line);
    const [name, columns] = [match?.[1], numbersOf(match?.[2] ?? "")];
    const [received, sent] = [columns[0], columns[8]];
    if (name === undefined || name === "lo" || received === undefined || sent === undefined) return [];
    return Number.isFinite(received + sent)
      ? [{ interface: name, receivedBytes: received, sentBytes: sent }]
      : [];
  });

/** Thousandths of a degree, as both thermal zones and hwmon give them. A sensor that is off says nonsense far below freezing or above melting. */
export const parseMillidegrees = (text: string): number | null => {
  const value = Number(text.trim()) / 1000;
  return text.trim() === "" || !Number.isFinite(value) || value < -100 || value > 250 ? null : value;
};
