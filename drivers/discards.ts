// Input that could not be used: counted always, shown in the log as a sample once a minute per kind, so that noise cannot fill the log.
import type { DriverContext } from "./driver.ts";
import { SAMPLE_BYTES, SAMPLE_EVERY_MS } from "./limits.ts";

export interface Discard {
  /** The counter that it adds to, and the kind that is sampled. */
  readonly counter: string;
  readonly message: string;
  readonly sample?: Uint8Array;
  /** `debug` for what is normal (lines that a pattern does not want). */
  readonly level: "debug" | "info" | "warn";
}

interface Seen {
  sinceMs: number;
  suppressed: number;
}

/** Bytes as printable text, the rest as \xNN: a sample must not be able to steer a terminal. */
export const printable = (bytes: Uint8Array): string =>
  Array.from(bytes.subarray(0, SAMPLE_BYTES), (byte) =>
    byte >= 0x20 && byte < 0x7f && byte !== 0x5c
      ? String.fromCharCode(byte)
      : `\\x${byte.toString(16).padStart(2, "0")}`,
  ).join("");

export const createDiscardReporter = (
  context: Pick<DriverContext, "clock" | "log" | "count">,
): ((discard: Discard) => void) => {
  const seen = new Map<string, Seen>();
  return ({ counter, message, sample, level }) => {
    context.count(counter);
    const now = context.clock.monoMs();
    const before = seen.get(counter);
    if (before !== undefined && now - before.sinceMs < SAMPLE_EVERY_MS) {
      before.suppressed += 1;
      return;
    }
    seen.set(counter, { sinceMs: now, suppressed: 0 });
    const fields = {
      counter,
      ...(sample === undefined ? {} : { sample: printable(sample) }),
      ...(before === undefined ? {} : { notShown: before.suppressed }),
    };
    context.log[level](fields, message);
  };
};
