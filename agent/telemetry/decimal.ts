// Numbers in events: no event holds a float (homeservers refuse them), so a number travels as a decimal string in JSON's own number syntax (RFC 8259 section 6).
const JSON_NUMBER = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/;

/** The shortest decimal that reads back as the same number, the sign of zero included; null for NaN and the infinities, which have none. */
export const encodeDecimal = (value: number): string | null => {
  if (!Number.isFinite(value)) return null;
  return Object.is(value, -0) ? "-0" : String(value);
};

/** The number that a decimal string stands for; null if it is not in JSON number syntax or too large to be one. */
export const parseDecimal = (text: string): number | null => {
  if (!JSON_NUMBER.test(text)) return null;
  const value = Number(text);
  return Number.isFinite(value) ? value : null;
};
