// Noise that is a pure function of seed, channel and time: the same question has the same answer, at any time and in any order. Not for secrets.
// Value noise: a hash gives one number per whole step of time, a smooth curve runs through them.

/** A number in [0, 1) from three integers (the mixing of splitmix32). */
export const hash = (seed: number, channel: number, step: number): number => {
  let mixed = (seed ^ Math.imul(channel + 1, 0x9e3779b9) ^ Math.imul(step + 1, 0x85ebca6b)) | 0;
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x21f0aaad);
  mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
  return ((mixed ^ (mixed >>> 15)) >>> 0) / 4_294_967_296;
};

const smooth = (part: number): number => part * part * (3 - 2 * part);

/** Between -1 and 1, with a new goal every `periodS` seconds. */
export const wander = (seed: number, channel: number, timeS: number, periodS: number): number => {
  const step = Math.floor(timeS / periodS);
  const part = smooth(timeS / periodS - step);
  return (hash(seed, channel, step) * (1 - part) + hash(seed, channel, step + 1) * part) * 2 - 1;
};

/** Slow and fast noise together, still between -1 and 1: a gust on top of the wind. */
export const gusts = (seed: number, channel: number, timeS: number, periodS: number): number =>
  wander(seed, channel, timeS, periodS) * 0.7 + wander(seed, channel + 1_000, timeS, periodS / 5) * 0.3;

export const clamp = (value: number, low: number, high: number): number =>
  Math.min(high, Math.max(low, value));

export const round = (value: number, digits: number): number => Number(value.toFixed(digits));
