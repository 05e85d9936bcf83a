// What takes over a second says what it is doing, on standard error: on a terminal one line that counts the seconds, elsewhere one line once.
import type { Outside } from "#agent/outside.ts";

const STEP_MS = 1000;

/** Runs `work`; from its first second on, `what` is shown until it ends. */
export const withProgress = async <T>(
  { stderr, timers }: Pick<Outside, "stderr" | "timers">,
  what: string,
  work: () => Promise<T>,
): Promise<T> => {
  let seconds = 0;
  const show = (): void => {
    seconds += 1;
    if (stderr.isTty) stderr.write(`\r${what} ... ${seconds} s`);
    else if (seconds === 1) stderr.write(`${what} ...\n`);
    cancel = timers.after(STEP_MS, show);
  };
  let cancel = timers.after(STEP_MS, show);
  try {
    return await work();
  } finally {
    cancel();
    // Erased, so that what follows stands alone (ECMA-48, EL).
    if (stderr.isTty && seconds > 0) stderr.write("\r\x1b[K");
  }
};
