// Runs one Olm schedule on two implementations. Every answer is compared with the naive model of that implementation.
import type { Answer } from "#test/peers/olm/protocol.ts";
import { LIBOLM, PER_CHAIN, type Receiver, receiver } from "./model.ts";
import type { OlmAction, OlmPlan, Side } from "./olm-plan.ts";
import {
  accepted,
  ask,
  canMove,
  carry,
  count,
  formatFor,
  type Implementation,
  plaintext,
  refused,
  same,
  type Tally,
} from "./party.ts";
import { randomOf } from "./random.ts";
import { type OlmHead, olmHead, tamperOlm } from "./wire.ts";

type Message = {
  readonly n: number;
  readonly type: number;
  readonly body: string;
  readonly pt: string;
  readonly head: OlmHead;
};

type End = {
  who: Implementation;
  readonly account: string;
  readonly identity: string;
  session: string | null;
  hasReceived: boolean;
  /** It kept or dropped a skipped key against the model, for a known fault: its state is not the model's any more. */
  blurred: boolean;
  readonly inFlight: Message[];
  readonly models: { readonly libolm: Receiver; readonly ours: Receiver };
};

type Run = {
  readonly plan: OlmPlan;
  readonly ends: readonly [End, End];
  readonly pair: readonly [Implementation, Implementation];
  readonly tally: Tally;
  sessionId: string;
  sent: number;
};

const KEPT_WHILE_MOVING_MAX = 40;

const BY_INDEX_RULE = "goolm 0.26: skipped keys without a bound, found by index alone";
const REVERSED_RULE =
  "vodozemac: skipped keys of a libolm pickle are read in reverse, so the newest go first";

/** An account that lives as long as a slot of the campaign: making one per schedule would be most of the time. */
export type Account = { readonly h: string; readonly identity: string };

export const newAccount = async (who: Implementation): Promise<Account> => {
  const { h = "" } = await ask(who, "account_new", {});
  const { curve25519 = "" } = await ask(who, "identity_keys", { h });
  return { h, identity: curve25519 };
};

const end = (who: Implementation, account: Account): End => ({
  who,
  account: account.h,
  identity: account.identity,
  session: null,
  hasReceived: false,
  blurred: false,
  inFlight: [],
  models: { libolm: receiver(LIBOLM), ours: receiver(PER_CHAIN) },
});

const open = async (run: Run): Promise<void> => {
  const [a, b] = run.ends;
  const { keys = [] } = run.plan.fallback
    ? await ask(b.who, "fallback", { h: b.account })
    : await ask(b.who, "one_time_keys", { h: b.account, n: 1 });
  const key = keys[0]?.[1] ?? "";
  await ask(b.who, "mark_published", { h: b.account });
  const made = await ask(a.who, "session_outbound", {
    h: a.account,
    their_identity: b.identity,
    their_otk: key,
  });
  a.session = made.h ?? "";
  run.sessionId = made.session_id ?? "";
};

const send = async (run: Run, { from, count: many, size }: OlmAction & { kind: "send" }): Promise<void> => {
  const sender = run.ends[from];
  if (sender.session === null || (size === 0 && sender.who.faults.has("empty"))) return;
  for (let i = 0; i < many; i += 1) {
    const n = run.sent++;
    const pt = plaintext(run.plan.seed, n, size);
    const { type = -1, body = "" } = await ask(sender.who, "encrypt", { h: sender.session, pt });
    same(type, from === 0 && !sender.hasReceived ? 0 : 1, "type of the message");
    run.ends[from === 0 ? 1 : 0].inFlight.push({ n, type, body, pt, head: olmHead(type, body) });
  }
};

/** The first pre-key message that arrives makes the session; the others go into it. */
const hand = async (run: Run, to: End, { type, body }: Message): Promise<Answer> => {
  if (to.session !== null) {
    if (type === 0) {
      const { matches } = await ask(to.who, "session_matches", { h: to.session, body });
      same(matches, true, "session_matches");
    }
    return to.who.oracle.call("decrypt", { h: to.session, type, body });
  }
  const fields = { h: to.account, their_identity: run.ends[0].identity, body };
  const answer = await to.who.oracle.call("session_inbound", fields);
  if (answer.ok) {
    to.session = answer.h ?? "";
    same(answer.session_id, run.sessionId, "session id");
  }
  return answer;
};

/** What the naive models say; a decision that they take differently is counted. */
const expectation = (run: Run, to: End, { head }: Message): { accept: boolean; late: boolean } => {
  const { libolm, ours } = to.models;
  const late = libolm.isLate(head);
  const verdicts = { libolm: libolm.receive(head), ours: ours.receive(head) };
  if (verdicts.libolm !== verdicts.ours)
    count(run.tally, "skipped keys kept: 40 per session, or 40 per chain");
  return { accept: to.who.policy === LIBOLM ? verdicts.libolm : verdicts.ours, late };
};

const deliver = async (
  run: Run,
  { to: side, pick, keep }: OlmAction & { kind: "deliver" },
): Promise<void> => {
  const to = run.ends[side];
  const at = pick % to.inFlight.length;
  const message = to.inFlight[at];
  if (message === undefined) return;
  if (!keep) to.inFlight.splice(at, 1);
  const { accept, late } = expectation(run, to, message);
  const what = `message ${message.n} (${JSON.stringify(message.head)})`;
  const answer = await hand(run, to, message);
  run.tally.deliveries += 1;
  if (late && (to.blurred || to.who.faults.has("skipped-by-index"))) {
    if (answer.ok) same(answer.pt, message.pt, "plaintext");
    if (answer.ok === accept) return;
    to.blurred = true;
    return count(run.tally, to.who.faults.has("imports-reversed") ? REVERSED_RULE : BY_INDEX_RULE);
  }
  if (!accept) {
    run.tally.refusals += 1;
    return refused(answer, what);
  }
  same(accepted(answer, what).pt, message.pt, "plaintext");
  to.hasReceived = true;
};

const tamper = async (run: Run, { to: side, pick, seed }: OlmAction & { kind: "tamper" }): Promise<void> => {
  const to = run.ends[side];
  const message = to.inFlight[pick % to.inFlight.length];
  if (message === undefined || to.who.faults.has("tamper")) return;
  const { type } = message;
  const body = tamperOlm(type, message.body, randomOf(seed));
  const answer =
    to.session === null
      ? await to.who.oracle.call("session_inbound", {
          h: to.account,
          their_identity: run.ends[0].identity,
          body,
        })
      : await to.who.oracle.call("decrypt", { h: to.session, type, body });
  run.tally.refusals += 1;
  refused(answer, `damaged message ${message.n} (${body})`);
};

const move = async (run: Run, side: Side): Promise<void> => {
  const from = run.ends[side];
  const to = run.pair.find((other) => other !== from.who);
  if (from.session === null || to === undefined || !canMove(from.who, to, "session")) return;
  // libolm's pickle holds 40 skipped keys; and what the two would answer from here on has to be the same.
  const { libolm, ours } = from.models;
  if (libolm.kept() > KEPT_WHILE_MOVING_MAX || libolm.state() !== ours.state()) return;
  if (!libolm.inChainOrder() || from.blurred) return;
  from.session = await carry(from.who, to, "session", from.session);
  from.who = to;
  if (to.faults.has("imports-reversed") && libolm.kept() > 0) from.blurred = true;
  run.tally.moves += 1;
  same(
    (await ask(to, "session_id", { h: from.session })).session_id,
    run.sessionId,
    "session id after a move",
  );
};

const repickle = async (run: Run, { side, format }: OlmAction & { kind: "pickle" }): Promise<void> => {
  const from = run.ends[side];
  const wish = from.models.ours.kept() > KEPT_WHILE_MOVING_MAX ? "own" : format;
  const chosen = formatFor(from.who, "session", wish);
  if (from.session === null || chosen === null) return;
  if (from.who.policy !== LIBOLM && chosen === "libolm" && wish === "own") return;
  from.session = await carry(from.who, from.who, "session", from.session, chosen);
};

const act = (run: Run, action: OlmAction): Promise<void> => {
  switch (action.kind) {
    case "send":
      return send(run, action);
    case "deliver":
      return deliver(run, action);
    case "tamper":
      return tamper(run, action);
    case "lose": {
      const { inFlight } = run.ends[action.to];
      if (inFlight.length > 0) inFlight.splice(action.pick % inFlight.length, 1);
      return Promise.resolve();
    }
    case "pickle":
      return repickle(run, action);
    case "move":
      return move(run, action.side);
  }
};

export const runOlm = async (
  plan: OlmPlan,
  pair: readonly [Implementation, Implementation],
  accounts: readonly [Account, Account],
  into: Tally,
): Promise<void> => {
  const ends = [end(pair[0], accounts[0]), end(pair[1], accounts[1])] as const;
  const run: Run = { plan, ends, pair, tally: into, sessionId: "", sent: 0 };
  await open(run);
  for (const [step, action] of plan.actions.entries()) {
    await act(run, action).catch((error: unknown) => {
      const place = `Olm seed ${plan.seed}, ${pair[0].oracle.name} to ${pair[1].oracle.name}, step ${step}`;
      throw new Error(`${place}, ${JSON.stringify(action)}: ${String(error)}`, { cause: error });
    });
  }
  for (const { who, session } of ends) if (session !== null) await ask(who, "free", { h: session });
  into.runs += 1;
};
