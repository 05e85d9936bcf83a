// Our fallback key (Client-Server API, "One-time and fallback keys"): made with the first upload, anew every week and whenever it was used.
// Dendrite takes fallback keys, drops them and always lists none as unused: a key that is never listed is rotated once, then weekly only.
import { OlmAccount } from "../../olm/account.ts";
import { type Context, ownAccount, updateAccount } from "../context.ts";
import { FALLBACK_KEY_GRACE_MS, FALLBACK_KEY_MAX_MS } from "../limits.ts";
import type { AccountRow, FallbackRow } from "../store/store.ts";
import { SIGNED_CURVE25519 } from "./device-keys.ts";

export const NO_FALLBACK: FallbackRow = {
  madeAtMs: null,
  supported: false,
  seenUnused: false,
  rotationsUnseen: 0,
  rotate: false,
  firstUsedAtMs: null,
};

/** `device_unused_fallback_key_types` of a sync. */
export function heardFallbackTypes(context: Context, types: unknown): void {
  if (!Array.isArray(types)) return;
  const { fallback, account } = ownAccount(context);
  // Before the server has the current key, its list is about another one.
  if (account.fallbackKey === null || !account.fallbackKey.published) return;
  if (types.includes(SIGNED_CURVE25519)) {
    if (fallback.seenUnused) return;
    const seen = { supported: true, seenUnused: true, rotationsUnseen: 0 };
    updateAccount(context, { fallback: { ...fallback, ...seen } });
  } else if (!fallback.rotate && (fallback.seenUnused || fallback.rotationsUnseen === 0)) {
    updateAccount(context, { fallback: { ...fallback, rotate: true } });
  }
}

export function fallbackDue(row: AccountRow, nowMs: number): boolean {
  const { madeAtMs, rotate } = row.fallback;
  // A clock that was put back must not keep a key for ever: an age below zero counts as due, too.
  const age = madeAtMs === null ? null : nowMs - madeAtMs;
  return age === null || rotate || age >= FALLBACK_KEY_MAX_MS || age < 0 || row.account.fallbackKey === null;
}

/** Makes the next key in the account; the row that goes with it. */
export function withNewFallback(row: AccountRow, account: OlmAccount, nowMs: number): FallbackRow {
  const { supported, seenUnused, rotationsUnseen, madeAtMs } = row.fallback;
  account.generateFallbackKey();
  const unseen = madeAtMs !== null && !seenUnused ? rotationsUnseen + 1 : 0;
  return { ...NO_FALLBACK, madeAtMs: nowMs, supported, rotationsUnseen: unseen };
}

/** The private half of the previous key goes an hour after the current one was first used. */
export function forgetOldFallback(context: Context): void {
  const row = ownAccount(context);
  const { firstUsedAtMs } = row.fallback;
  if (firstUsedAtMs === null || row.account.previousFallbackKey === null) return;
  if (context.nowMs - firstUsedAtMs < FALLBACK_KEY_GRACE_MS) return;
  const account = new OlmAccount(context.provider, row.account);
  account.forgetPreviousFallbackKey();
  updateAccount(context, { account: account.exportState() });
}
