// The text of a reply.
import type { Outcome } from "./command.ts";
import { REPLY_CHARS_MAX } from "./limits.ts";

export const INTERRUPTED: Outcome = {
  ok: false,
  text: "interrupted: the device stopped while this ran, so whether it was done is not known; it is not run again",
};

/** Bounded, and Unicode: a word of a structured command, or the cut, may be half of a surrogate pair, which no event holds. */
export const bodyOf = ({ ok, text }: Outcome): string => {
  const whole = ok ? text : `✗ ${text}`;
  const more = whole.length - REPLY_CHARS_MAX;
  return (more > 0 ? `${whole.slice(0, REPLY_CHARS_MAX)}\n(${more} more characters)` : whole).toWellFormed();
};
