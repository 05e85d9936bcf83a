// What a framing (or a broker's message) yields, before names and units are given to it: a piece of text, a tree of named values, or raw bytes.
// It stands between framings and the mapping so that neither knows the other.

export type Payload =
  | { readonly kind: "text"; readonly text: string }
  /** What JSON.parse gives, or the named groups of a pattern (then all leaves are strings). */
  | { readonly kind: "tree"; readonly value: unknown }
  | { readonly kind: "bytes"; readonly bytes: Uint8Array };

/** A decimal number as devices print it: sign, leading zeros and a bare point allowed; no hexadecimal, no NaN, no infinity. */
const DECIMAL = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/;

/** Reads a decimal number, or null when the text is none (or does not fit a double). Surrounding blanks are ignored. */
export const parseDecimal = (text: string): number | null => {
  const trimmed = text.trim();
  if (!DECIMAL.test(trimmed)) return null;
  const value = Number(trimmed);
  return Number.isFinite(value) ? value : null;
};
