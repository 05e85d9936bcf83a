// Rate limits with the defaults of the real servers. Synapse: leaking buckets per user and kind of action. Dendrite: twenty slots per device,
// each free again after half a second, on a few endpoints. Conduit: none.
import { Refusal, reply } from "./refusal.ts";
import type { User, World } from "./world.ts";

export type Action = "message" | "room-creation" | "join" | "login";

export interface Limiter {
  /** Throws a 429 when `who` has done too much. */
  readonly spend: (action: Action, who: string, user: User | null) => void;
  /** Throws a 429 when `who` has made too many requests of this kind, whatever they do. */
  readonly admit: (method: string, path: string, who: string, user: User | null) => void;
}

interface Bucket {
  readonly perSecond: number;
  readonly burst: number;
}

const SYNAPSE: Readonly<Partial<Record<Action, Bucket>>> = {
  message: { perSecond: 0.2, burst: 10 },
  "room-creation": { perSecond: 0.016, burst: 10 },
  join: { perSecond: 0.1, burst: 10 },
  login: { perSecond: 0.003, burst: 5 },
};
/** Those of its sample configuration. */
const DENDRITE_SLOTS = 20;
const DENDRITE_COOLOFF_MS = 500;
const DENDRITE_SLOTTED =
  /\/(join\/[^/]+|(join|leave|invite|forget|read_markers|messages)|typing\/[^/]+|login|whoami|capabilities|displayname|avatar_url|turnServer|upload|config)$/;

const limited = (retryAfterMs: number, withHeader: boolean): Refusal => {
  const refusal = new Refusal(429, "M_LIMIT_EXCEEDED", "Too Many Requests", { retry_after_ms: retryAfterMs });
  if (!withHeader) return refusal;
  const headers = { "retry-after": String(Math.max(1, Math.ceil(retryAfterMs / 1000))) };
  return Object.assign(refusal, { reply: reply(429, refusal.reply.body, headers) });
};

const bucketLimiter = (world: World, limitLogins: boolean): Limiter => {
  const levels = new Map<string, { level: number; at: number }>();
  return {
    spend: (action, who, user) => {
      const bucket = SYNAPSE[action];
      if (bucket === undefined || user?.unlimited === true || (action === "login" && !limitLogins)) return;
      const key = `${action}\0${who}`;
      const now = world.now();
      const { level, at } = levels.get(key) ?? { level: 0, at: now };
      const leaked = Math.max(0, level - ((now - at) / 1000) * bucket.perSecond);
      if (leaked > bucket.burst - 1) {
        throw limited(Math.ceil(((leaked - bucket.burst + 1) / bucket.perSecond) * 1000), true);
      }
      levels.set(key, { level: leaked + 1, at: now });
    },
    admit: () => undefined,
  };
};

const slotLimiter = (world: World): Limiter => {
  const slots = new Map<string, number[]>();
  return {
    spend: () => undefined,
    admit: (method, path, who, user) => {
      if (!DENDRITE_SLOTTED.test(path) || user?.admin === true || user?.unlimited === true) return;
      if (method === "GET" && path.includes("/profile/")) return;
      const now = world.now();
      const taken = (slots.get(who) ?? []).filter((at) => at > now - DENDRITE_COOLOFF_MS);
      if (taken.length >= DENDRITE_SLOTS) throw limited(DENDRITE_COOLOFF_MS, false);
      slots.set(who, [...taken, now]);
    },
  };
};

export const noLimits: Limiter = { spend: () => undefined, admit: () => undefined };

export const defaultLimits = (world: World, limitLogins: boolean): Limiter => {
  switch (world.profile.limited) {
    case "retry-after":
      return bucketLimiter(world, limitLogins);
    case "body-only":
      return slotLimiter(world);
    case "none":
      return noLimits;
  }
};
