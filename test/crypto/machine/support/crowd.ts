// Many people's devices, and a machine that follows them: for what is done in parts.
import type { Request, RequestKind } from "#crypto/machine/requests.ts";
import type { MachineStore } from "#crypto/machine/store/store.ts";
import type { JsonObject } from "#crypto/shape.ts";
import { answerClaim, answerQuery, makePopulation, type Population } from "#scripts/bench/machine/data.ts";
import { makePerson } from "./people.ts";
import { makeOurs, type Ours } from "./world.ts";

export const DEVICES = 190;
const crowd: Population = makePopulation("crowd", 60, 5);
/** One user with more devices than a part may have. */
const fleet: Population = makePopulation("fleet", DEVICES - 60, DEVICES - 60);
export const FLEET: string = fleet.userIds[0] ?? "";
export const people: Population = {
  people: new Map([...crowd.people, ...fleet.people]),
  userIds: [...crowd.userIds, ...fleet.userIds],
  devices: DEVICES,
  oneTimeKeys: new Map([...crowd.oneTimeKeys, ...fleet.oneTimeKeys]),
};

const parse = (text: string): JsonObject => JSON.parse(text) as JsonObject; // our own text
export const answerTo = ({ body, kind }: Request): JsonObject =>
  parse(
    kind === "keys-query"
      ? answerQuery(people, makePerson("@other:example.org"), body ?? {})
      : answerClaim(people, body ?? {}),
  );

/** One that is about to ask for all of them; or that knows them and has claimed; or that has sessions with all. */
export const beginWith = (at: "keys-query" | "keys-claim" | "sessions", store?: MachineStore): Ours => {
  const ours = makeOurs({}, store);
  ours.answerAll("keys-upload", () => ({ one_time_key_counts: { signed_curve25519: 50 } }));
  ours.answerAll("keys-query", () => ({ device_keys: {} }));
  ours.in((calls) => calls.trackUsers(people.userIds));
  if (at === "keys-query") return ours;
  ours.answerAll("keys-query", answerTo);
  ours.in((calls) => calls.prepareSessions(people.userIds));
  if (at === "sessions") ours.answerAll("keys-claim", answerTo);
  return ours;
};

/** Takes parts until `stopAfter` of them were taken, or all; how many there were. */
export const takeParts = (
  ours: Ours,
  request: Request,
  stopAfter: number = Number.POSITIVE_INFINITY,
): number => {
  const answer = { ok: true, body: answerTo(request) } as const;
  let taken = 0;
  for (let part: number | null = 0; part !== null && taken < stopAfter; taken += 1) {
    const now: number = part;
    part = ours.in((calls) => calls.answerPart(request.id, answer, now));
  }
  return taken;
};

export const requestOf = (ours: Ours, kind: RequestKind): Request => {
  const [request] = ours.requests(kind);
  if (request === undefined) throw new Error(`no ${kind} is under way`);
  return request;
};
