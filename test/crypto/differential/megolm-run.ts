// Runs one Megolm schedule: one sender, receivers that join at any index, each in either implementation. Messages are
// numbered without a wrap here (`n`), the wire's index is `n` modulo 2^32.
import { type MegolmAction, type MegolmPlan, WRAP } from "./megolm-plan.ts";
import {
  accepted,
  ask,
  canMove,
  carry,
  count,
  formatFor,
  type Implementation,
  PICKLE_KEY,
  plaintext,
  refused,
  same,
  type Tally,
} from "./party.ts";
import { outboundAt, sealPickle } from "./pickles.ts";
import { randomOf } from "./random.ts";
import { tamperMegolm } from "./wire.ts";

type Message = { readonly n: number; readonly body: string; readonly pt: string };
/** `crossed`: it has read past the wrap. */
type Inbound = { who: Implementation; h: string; readonly first: number; crossed: boolean };

type Run = {
  readonly plan: MegolmPlan;
  readonly pair: readonly [Implementation, Implementation];
  readonly tally: Tally;
  sender: Implementation;
  h: string;
  id: string;
  next: number;
  readonly messages: Message[];
  readonly receivers: Inbound[];
};

const RECEIVERS_MAX = 8;
const WRAP_RULE = "the wrap: libolm goes on, ours says rotate";

const ANEW_RULE = "vodozemac takes an index with bits beyond the 32nd, ours refuses";

// libolm's JavaScript takes 2^32 - 1 for its error value: it cannot say that index as a result.
const sayable = (n: number): boolean => n % WRAP !== WRAP - 1;

/** Whether the sender has used its last index, and does not go on. */
const isOver = ({ next, sender }: Run): boolean => next >= WRAP && !sender.policy.megolmWraps;

const other = (run: Run, who: Implementation): Implementation =>
  run.pair[0] === who ? run.pair[1] : run.pair[0];

const open = async (run: Run): Promise<void> => {
  const { start, seed } = run.plan;
  if (start === null || !run.sender.caps.has("unpickle:group_out")) {
    const { h = "", session_id = "" } = await ask(run.sender, "group_outbound_new", {});
    Object.assign(run, { h, id: session_id, next: 0 });
    return;
  }
  const raw = outboundAt(randomOf(seed).bytes(128), start);
  const pickle = sealPickle(raw, PICKLE_KEY);
  const { h = "" } = await ask(run.sender, "unpickle", { kind: "group_out", pickle, key: PICKLE_KEY });
  const id = raw.subarray(136, 168).toString("base64").replace(/=+$/, "");
  Object.assign(run, { h, id, next: start });
};

const send = async (run: Run, { count: many, size }: MegolmAction & { kind: "send" }): Promise<void> => {
  const { sender, messages } = run;
  if (size === 0 && sender.faults.has("empty")) return;
  for (let i = 0; i < many; i += 1) {
    const n = run.next;
    const pt = plaintext(run.plan.seed, n, size);
    const answer = await sender.oracle.call("group_encrypt", { h: run.h, pt });
    if (isOver(run)) {
      count(run.tally, WRAP_RULE);
      return refused(answer, `encrypting at ${n}`);
    }
    messages.push({ n, body: accepted(answer, `encrypting at ${n}`).body ?? "", pt });
    run.next += 1;
  }
};

const join = async (
  run: Run,
  who: Implementation,
  op: "group_inbound" | "group_import",
  key: string,
  n: number,
): Promise<void> => {
  const made = await ask(who, op, { key });
  same(made.session_id, run.id, "session id");
  same(made.first_known_index, n % WRAP, "first known index");
  const joined = { who, h: made.h ?? "", first: n, crossed: false };
  if (run.receivers.length < RECEIVERS_MAX) run.receivers.push(joined);
  else await ask(who, "free", { h: joined.h });
};

const share = async (run: Run): Promise<void> => {
  if (!sayable(run.next)) return;
  if (isOver(run))
    return refused(await run.sender.oracle.call("group_session_key", { h: run.h }), "session key");
  const { key = "", index } = await ask(run.sender, "group_session_key", { h: run.h });
  same(index, run.next % WRAP, "index of the session key");
  // The first joins in the second implementation of the pair, later ones in either.
  await join(run, run.receivers.length % 3 === 1 ? run.pair[0] : run.pair[1], "group_inbound", key, run.next);
};

const pick = <T>(items: readonly T[], n: number): T | undefined => items[n % items.length];

const exportTo = async (run: Run, { from, ahead }: MegolmAction & { kind: "export" }): Promise<void> => {
  const source = pick(run.receivers, from);
  if (source === undefined) return;
  const n = source.first + ahead;
  if (!sayable(n) || (n >= WRAP && source.first < WRAP)) return;
  const fields = { h: source.h, index: n % WRAP };
  const { key = "" } = await ask(source.who, "group_export", fields);
  await join(run, ahead % 2 === 0 ? source.who : other(run, source.who), "group_import", key, n);
};

const exportBefore = async (run: Run, from: number): Promise<void> => {
  const source = pick(run.receivers, from);
  if (source === undefined || source.first % WRAP === 0) return;
  const index = (source.first % WRAP) - 1;
  refused(await source.who.oracle.call("group_export", { h: source.h, index }), `export at ${index}`);
};

/** Whether `to` can read message `n`, by the rule of its implementation. */
const readable = (run: Run, to: Inbound, n: number): boolean => {
  if (n < to.first) return false;
  const crosses = n >= WRAP && to.first < WRAP;
  if (crosses) count(run.tally, WRAP_RULE);
  return !crosses || to.who.policy.megolmWraps;
};

const deliver = async (run: Run, { to, pick: which }: MegolmAction & { kind: "deliver" }): Promise<void> => {
  const [receiver, message] = [pick(run.receivers, to), pick(run.messages, which)];
  if (receiver === undefined || message === undefined) return;
  const { n, body, pt } = message;
  const answer = await receiver.who.oracle.call("group_decrypt", { h: receiver.h, body });
  run.tally.deliveries += 1;
  const what = `message ${n} for a receiver who joined at ${receiver.first}`;
  if (!readable(run, receiver, n)) {
    run.tally.refusals += 1;
    return refused(answer, what);
  }
  const got = accepted(answer, what);
  if (n >= WRAP && receiver.first < WRAP) receiver.crossed = true;
  same(got.pt, pt, "plaintext");
  same(got.index, n % WRAP, "index");
};

const tamper = async (
  run: Run,
  { to, pick: which, seed }: MegolmAction & { kind: "tamper" },
): Promise<void> => {
  const [receiver, message] = [pick(run.receivers, to), pick(run.messages, which)];
  if (receiver === undefined || message === undefined) return;
  const body = tamperMegolm(message.body, randomOf(seed));
  run.tally.refusals += 1;
  const answer = await receiver.who.oracle.call("group_decrypt", { h: receiver.h, body });
  if (answer.ok && receiver.who.faults.has("encodes-anew")) {
    same(answer.pt, message.pt, "plaintext of a message that was encoded anew");
    return count(run.tally, ANEW_RULE);
  }
  refused(answer, `damaged message ${body}`);
};

const repickle = async (run: Run, inbound: Inbound | null, wish: "libolm" | "own"): Promise<void> => {
  const who = inbound?.who ?? run.sender;
  const kind = inbound === null ? "group_out" : "group_in";
  const format = formatFor(who, kind, wish);
  // libolm's pickle has no way to say that no index is left.
  if (format === null || (inbound === null && isOver(run))) return;
  const h = await carry(who, who, kind, inbound?.h ?? run.h, format);
  if (inbound === null) run.h = h;
  else inbound.h = h;
};

const moveOut = async (run: Run): Promise<void> => {
  const to = other(run, run.sender);
  if (to === run.sender || run.next >= WRAP - 1 || !canMove(run.sender, to, "group_out")) return;
  run.h = await carry(run.sender, to, "group_out", run.h);
  run.sender = to;
  run.tally.moves += 1;
};

const refuseCrossed = async (run: Run, { who, h }: Inbound, to: Implementation): Promise<void> => {
  const { pickle = "" } = await ask(who, "pickle", { h, key: PICKLE_KEY });
  const fields = { kind: "group_in", pickle, key: PICKLE_KEY } as const;
  refused(await to.oracle.call("unpickle", fields), "a pickle from beyond the wrap");
  count(run.tally, WRAP_RULE);
};

/** Afterwards it exports the same bytes: the whole ratchet and the key have come along. */
const moveIn = async (run: Run, inbound: Inbound | undefined): Promise<void> => {
  if (inbound === undefined) return;
  const to = other(run, inbound.who);
  if (to === inbound.who || !canMove(inbound.who, to, "group_in")) return;
  // A state whose latest index lies before its earliest is none that ours can have: its pickle is refused.
  if (inbound.crossed && !to.policy.megolmWraps) return refuseCrossed(run, inbound, to);
  const index = inbound.first % WRAP;
  const before = await ask(inbound.who, "group_export", { h: inbound.h, index });
  inbound.h = await carry(inbound.who, to, "group_in", inbound.h);
  inbound.who = to;
  run.tally.moves += 1;
  same((await ask(to, "group_export", { h: inbound.h, index })).key, before.key, "export after a move");
};

const act = (run: Run, action: MegolmAction): Promise<void> => {
  switch (action.kind) {
    case "send":
      return send(run, action);
    case "share":
      return share(run);
    case "export":
      return exportTo(run, action);
    case "export-before":
      return exportBefore(run, action.from);
    case "deliver":
      return deliver(run, action);
    case "tamper":
      return tamper(run, action);
    case "pickle-out":
      return repickle(run, null, action.format);
    case "pickle-in":
      return run.receivers.length > 0
        ? repickle(run, pick(run.receivers, action.of) ?? null, action.format)
        : Promise.resolve();
    case "move-out":
      return moveOut(run);
    case "move-in":
      return moveIn(run, pick(run.receivers, action.of));
  }
};

export const runMegolm = async (
  plan: MegolmPlan,
  pair: readonly [Implementation, Implementation],
  into: Tally,
): Promise<void> => {
  const run: Run = {
    plan,
    pair,
    tally: into,
    sender: pair[0],
    h: "",
    id: "",
    next: 0,
    messages: [],
    receivers: [],
  };
  await open(run);
  for (const [step, action] of plan.actions.entries()) {
    await act(run, action).catch((error: unknown) => {
      const place = `Megolm seed ${plan.seed}, ${pair[0].oracle.name} to ${pair[1].oracle.name}, step ${step}`;
      throw new Error(`${place}, ${JSON.stringify(action)}: ${String(error)}`, { cause: error });
    });
  }
  for (const { who, h } of run.receivers) await ask(who, "free", { h });
  await ask(run.sender, "free", { h: run.h });
  into.runs += 1;
};
