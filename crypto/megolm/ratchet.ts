// The Megolm ratchet (specification: Megolm, "The Megolm ratchet algorithm"): four parts of 32 bytes and a counter of 32 bits.
//
//   | R0 32 | R1 32 | R2 32 | R3 32 |    part j changes when the counter's byte j does (R3 with every message, R0 every 2^24)
//
// When part j changes, it and all after it are made anew from it: R(k) = HMAC(R(j), k) with k as one byte.
// So a jump costs at most 255 steps per part and 1,020 hashes in all. Ratchets are values: moving one ahead returns another.
import { CryptoError } from "../errors.ts";
import type { CryptoProvider } from "../provider.ts";
import { ADVANCE_MAX, MESSAGE_INDEX_MAX } from "./limits.ts";

export const RATCHET_BYTES = 128;
const PART_BYTES = 32;
/** After how many messages each part changes. */
const UNITS = [2 ** 24, 2 ** 16, 2 ** 8, 1] as const;
const LAST_PART: number = UNITS.length - 1;

/** `bytes` (128) are the message secret of message `index`. */
export interface MegolmRatchet {
  readonly bytes: Uint8Array;
  readonly index: number;
}

export function newRatchet(provider: CryptoProvider): MegolmRatchet {
  return { bytes: provider.random(RATCHET_BYTES), index: 0 };
}

/**
 * The ratchet at a later index, or a copy of it at the same.
 * @throws CryptoError UNKNOWN_INDEX when `index` lies behind or 2^31 or more ahead
 */
export function advanceRatchet(
  provider: CryptoProvider,
  ratchet: MegolmRatchet,
  index: number,
): MegolmRatchet {
  requireReachable(ratchet.index, index);
  const bytes = new Uint8Array(ratchet.bytes);
  let at = ratchet.index;
  for (const [part, unit] of UNITS.entries()) {
    const steps = Math.floor(index / unit) - Math.floor(at / unit);
    if (steps === 0) continue;
    for (let step = 1; step < steps; step += 1) remake(provider, bytes, part, part);
    for (let target = LAST_PART; target >= part; target -= 1) remake(provider, bytes, part, target);
    at = index - (index % unit);
  }
  return { bytes, index };
}

/** Whether both come from one beginning: the one behind, moved ahead, is the other. */
export function areConnected(provider: CryptoProvider, a: MegolmRatchet, b: MegolmRatchet): boolean {
  const [behind, ahead] = a.index <= b.index ? [a, b] : [b, a];
  if (ahead.index - behind.index >= ADVANCE_MAX) return false;
  return provider.equal(advanceRatchet(provider, behind, ahead.index).bytes, ahead.bytes);
}

function requireReachable(from: number, to: number): void {
  if (to < from) {
    throw new CryptoError(
      "UNKNOWN_INDEX",
      `Megolm ratchet: index ${to} is before the first one known, ${from}`,
    );
  }
  if (to - from >= ADVANCE_MAX || to > MESSAGE_INDEX_MAX) {
    throw new CryptoError("UNKNOWN_INDEX", `Megolm ratchet: index ${to} is too far ahead of ${from}`);
  }
}

/** R(target) = HMAC(R(source), target), in place. */
function remake(provider: CryptoProvider, bytes: Uint8Array, source: number, target: number): void {
  const key = bytes.subarray(source * PART_BYTES, (source + 1) * PART_BYTES);
  const made = provider.hmacSha256(key, Uint8Array.of(target));
  bytes.set(made, target * PART_BYTES);
  made.fill(0);
}
