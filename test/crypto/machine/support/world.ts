// One machine of ours with a memory store and a clock that the test moves. Each call is a transaction of its own.
import type { MachineConfig } from "#crypto/machine/context.ts";
import { createMachine, type MachineCalls } from "#crypto/machine/machine.ts";
import type { Notice } from "#crypto/machine/notices.ts";
import type { Request, RequestKind } from "#crypto/machine/requests.ts";
import { createMemoryStore } from "#crypto/machine/store/memory.ts";
import type { MachineStore } from "#crypto/machine/store/store.ts";
import { nodeProvider } from "#crypto/provider/node.ts";

export const START_MS = 1_800_000_000_000;

export interface Ours {
  readonly store: MachineStore;
  readonly config: MachineConfig;
  /** Everything said so far. */
  readonly notices: Notice[];
  nowMs: number;
  /** Runs calls as one transaction. */
  in<T>(work: (calls: MachineCalls) => T): T;
  /** The requests of a kind that are under way. */
  requests(kind: RequestKind): readonly Request[];
  /** Answers every request of a kind. */
  answerAll(kind: RequestKind, answer: (request: Request) => unknown): number;
}

export const makeOurs = (
  overrides: Partial<MachineConfig> = {},
  store: MachineStore = createMemoryStore(),
): Ours => {
  const config = { provider: nodeProvider, userId: "@ours:example.org", deviceId: "OURS", ...overrides };
  const machine = createMachine(config);
  const ours: Ours = {
    store,
    config,
    notices: [],
    nowMs: START_MS,
    in: (work) => {
      const calls = machine.on(store, ours.nowMs);
      const result = work(calls);
      ours.notices.push(...calls.notices);
      return result;
    },
    requests: (kind) =>
      ours.in((calls) => calls.outgoingRequests()).filter((request) => request.kind === kind),
    answerAll: (kind, answer) => {
      const requests = ours.requests(kind);
      for (const request of requests) {
        ours.in((calls) => calls.answer(request.id, { ok: true, body: answer(request) }));
      }
      return requests.length;
    },
  };
  ours.in((calls) => calls.setUp());
  return ours;
};
