// The budget of bytes in words, for `petrel status`.
import type { ByteBudgetView } from "./byte-budget.ts";

const UNITS = ["B", "kB", "MB", "GB", "TB"] as const;

/** 1,234,567 -> "1.2 MB". */
export const bytesText = (bytes: number): string => {
  const step = bytes < 1000 ? 0 : Math.min(UNITS.length - 1, Math.floor(Math.log10(bytes) / 3));
  return step === 0 ? `${bytes} B` : `${(bytes / 1000 ** step).toFixed(1)} ${UNITS[step] ?? "B"}`;
};

const WAITS: Readonly<Record<"unmetered" | "tomorrow", string>> = {
  unmetered: "readings wait for an interface that is not metered",
  tomorrow: "the day's bytes are spent: readings and the status wait until 00:00 UTC",
};

/** One line; none where nothing was counted yet. */
export const bytesLines = ({ left, metered, route, today, waits }: ByteBudgetView): string[] => {
  if (today.size === 0) return [];
  const counts = [...today].map(([name, bytes]) => `${bytesText(bytes)} over ${name}`).join(", ");
  const over = route === null || !metered ? "" : `; ${route} is metered`;
  const rest = left === null ? "" : `, ${bytesText(left)} left`;
  return [`network today: ${counts}${over}${rest}${waits === null ? "" : `; ${WAITS[waits]}`}`];
};
