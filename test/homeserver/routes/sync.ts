// GET /sync: tokens, filters, caches and long polls, each as the profile's server does (Client-Server API, "Syncing").
import { deviceOf } from "../accounts.ts";
import { type Route, type SignedCall, signed } from "../call.ts";
import { inlineFilter, type SyncFilter, syncFilter } from "../filters.ts";
import { copyOf, type JsonObject } from "../json.ts";
import { badRequest, Refusal } from "../refusal.ts";
import { acknowledge, answerSync, type SyncAnswer } from "../sync.ts";
import { encodeToken, parseToken, type StreamToken } from "../tokens.ts";
import type { Device } from "../world.ts";

const TIMEOUT_MAX_MS = 120_000;
const CACHE_MS = 120_000;

const filterOf = (call: SignedCall): SyncFilter => {
  const asked = call.query.get("filter");
  const habits = call.world.profile;
  if (asked === null) return syncFilter({}, habits);
  if (asked.startsWith("{")) {
    const filter = inlineFilter(asked);
    if (filter === null) throw badRequest("M_NOT_JSON", "Invalid filter JSON");
    return syncFilter(filter, habits);
  }
  const stored = call.user.filters[Number(asked)];
  if (stored === undefined && call.world.profile.unknownFilterRefused) {
    throw badRequest("M_INVALID_PARAM", "No such filter");
  }
  return syncFilter(stored ?? {}, habits);
};

const sinceOf = (call: SignedCall): StreamToken | null => {
  const asked = call.query.get("since");
  if (asked === null || asked === "") return null;
  const token = parseToken(asked);
  if (token === null && call.world.profile.badSince !== null) {
    throw badRequest(call.world.profile.badSince, "Invalid stream token");
  }
  return token;
};

interface Poll {
  readonly call: SignedCall;
  readonly device: Device;
  readonly token: StreamToken | null;
  readonly filter: SyncFilter;
}

const compute = ({ call, device, token, filter }: Poll): SyncAnswer => {
  const { world, session, user, syncFault } = call;
  const before = syncFault.repeat ? parseToken(device.previousSince ?? "") : token;
  const request = {
    world,
    session,
    user,
    device,
    filter,
    since: before?.position ?? 0,
    fullState: call.query.get("full_state") === "true",
    gapLimit: syncFault.gapLimit,
  };
  return answerSync(request, before);
};

/** Resolves when something changed, time is up, the client hung up or the session ended. */
const change = (call: SignedCall, timeoutMs: number): Promise<"changed" | "over" | "ended"> =>
  new Promise((resolve) => {
    const finish = (how: "changed" | "over" | "ended"): void => {
      cancel();
      call.world.waiters.delete(wake);
      call.session.onEnd.delete(end);
      call.gone.removeEventListener("abort", over);
      resolve(how);
    };
    const wake = (): void => finish("changed");
    const over = (): void => finish("over");
    const end = (): void => finish("ended");
    const cancel = call.world.timers.after(timeoutMs, over);
    call.world.waiters.add(wake);
    if (call.world.profile.logoutEndsLongPoll) call.session.onEnd.add(end);
    call.gone.addEventListener("abort", over);
  });

/** What a server answers that was woken but says nothing yet: the same position, nothing in it. */
const emptyAnswer = (poll: Poll, answer: SyncAnswer): SyncAnswer => {
  const { rooms: _, to_device: __, account_data: ___, device_lists: ____, ...rest } = answer.body;
  return {
    isEmpty: true,
    body: { ...rest, next_batch: encodeToken(poll.token ?? { position: 0, toDevice: 0 }) },
  };
};

/** Logged out meanwhile, on a server that lets the poll run on: it hears nothing more. */
const hasEnded = (call: SignedCall): boolean => !call.world.sessions.has(call.session.accessToken);

const wait = async (poll: Poll): Promise<SyncAnswer> => {
  const { call } = poll;
  const timeoutMs = Math.min(TIMEOUT_MAX_MS, Math.max(0, Number(call.query.get("timeout") ?? 0)));
  const { monoMs } = call.world.timers;
  const deadline = monoMs() + timeoutMs;
  let answer = compute(poll);
  const isFirst = poll.token === null || call.query.get("full_state") === "true";
  while (answer.isEmpty && !isFirst) {
    const leftMs = deadline - monoMs();
    if (leftMs <= 0 || call.gone.aborted) break;
    const how = await change(call, leftMs);
    if (how === "ended") return emptyAnswer(poll, answer);
    if (hasEnded(call)) continue;
    answer = compute(poll);
    if (!answer.isEmpty && call.world.profile.longPollWakesEmpty) return emptyAnswer(poll, answer);
  }
  return answer;
};

const cacheKey = (call: SignedCall): string =>
  ["timeout", "since", "filter", "full_state"].map((key) => call.query.get(key) ?? "").join("\0");

/** Real servers repeat an answer to the same question: two minutes long, or until the next question of that device. */
const cached = (call: SignedCall, device: Device): JsonObject | null => {
  if (call.world.profile.syncCache === "none" || call.syncFault.repeat || call.syncFault.gapLimit !== null)
    return null;
  const known = device.syncCache.get(cacheKey(call));
  return known !== undefined && known.until > call.world.now() ? known.body : null;
};

const remember = (call: SignedCall, device: Device, answer: SyncAnswer): void => {
  if (call.world.profile.syncCache === "latest") device.syncCache.clear();
  if (answer.isEmpty || call.world.profile.syncCache === "none") return;
  // What only completes the state of before (members that lazy loading left out) moves no position: kept, it would be the answer to the next question, and to all after it.
  if (answer.body["next_batch"] === call.query.get("since")) return;
  device.syncCache.set(cacheKey(call), { until: call.world.now() + CACHE_MS, body: copyOf(answer.body) });
};

const sync = async (call: SignedCall): Promise<JsonObject> => {
  const device = deviceOf(call.world, call.session);
  const known = cached(call, device);
  if (known !== null) return known;
  const token = sinceOf(call);
  const poll: Poll = { call, device, token, filter: filterOf(call) };
  if (token !== null) acknowledge(device, token);
  const answer = await wait(poll);
  remember(call, device, answer);
  // Repeated again and again, it is the same that is repeated.
  if (!call.syncFault.repeat) device.previousSince = call.query.get("since");
  if (call.gone.aborted) throw new Refusal(499, "M_UNKNOWN", "The client hung up");
  return answer.body;
};

export const syncRoutes: readonly Route[] = [signed("GET", "/_matrix/client/v3/sync", sync)];
