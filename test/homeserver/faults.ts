// Faults as data: which requests to hit, how often, and how. What networks, proxies and servers do on a bad day.
import type { JsonObject } from "./json.ts";

export type FaultKind =
  /** The change is made, then the socket dies: the client cannot know. */
  | { readonly kind: "answer-lost" }
  /** The socket dies before anything happened. */
  | { readonly kind: "refused" }
  /** 429; `header: false` leaves Retry-After out, `body: false` leaves retry_after_ms out. */
  | {
      readonly kind: "limited";
      readonly retryAfterMs: number;
      readonly header?: boolean;
      readonly body?: boolean;
    }
  | { readonly kind: "status"; readonly status: number; readonly body?: JsonObject }
  | { readonly kind: "slow"; readonly delayMs: number }
  /** No answer until the client gives up. */
  | { readonly kind: "stall" }
  /** Half the body, then the socket dies. */
  | { readonly kind: "cut" }
  /** A proxy's page. */
  | { readonly kind: "html"; readonly status?: number }
  /** /sync answers from the token before the given one: the same events again. */
  | { readonly kind: "duplicate-sync" }
  /** /sync shows at most `limit` timeline events per room: a gap. */
  | { readonly kind: "gap"; readonly limit: number };

export interface FaultMatch {
  readonly method?: string;
  /** Tested against the path with the room and event IDs still percent-encoded. */
  readonly path?: RegExp;
}

export type FaultSpec = FaultKind & {
  readonly match?: FaultMatch;
  /** Let so many matching requests pass first. Default 0. */
  readonly skip?: number;
  /** Hit so many. Default 1. */
  readonly times?: number;
};

export interface FaultHandle {
  /** How many requests were hit. */
  readonly hits: () => number;
  readonly remove: () => void;
}

export interface FaultBook {
  readonly add: (spec: FaultSpec) => FaultHandle;
  readonly clear: () => void;
  /** The fault for this request, or null; counts it. */
  readonly take: (method: string, path: string) => FaultKind | null;
}

interface Entry {
  readonly spec: FaultSpec;
  seen: number;
  hits: number;
}

const matches = ({ match }: FaultSpec, method: string, path: string): boolean =>
  (match?.method ?? method) === method && (match?.path?.test(path) ?? true);

const isDue = ({ spec, seen, hits }: Entry): boolean => seen > (spec.skip ?? 0) && hits < (spec.times ?? 1);

export const createFaultBook = (): FaultBook => {
  const entries = new Set<Entry>();
  return {
    add: (spec) => {
      const entry: Entry = { spec, seen: 0, hits: 0 };
      entries.add(entry);
      return { hits: () => entry.hits, remove: () => entries.delete(entry) };
    },
    clear: () => entries.clear(),
    take: (method, path) => {
      let found: FaultKind | null = null;
      for (const entry of entries) {
        if (!matches(entry.spec, method, path)) continue;
        entry.seen += 1;
        if (found !== null || !isDue(entry)) continue;
        entry.hits += 1;
        found = entry.spec;
      }
      return found;
    },
  };
};
