// The stage for odd inputs: a case runs against any implementation behind the oracle protocol and says whether the
// input was accepted; the table of verdicts says what each of them does, and what ours has to do.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { nodeProvider } from "#crypto/provider/node.ts";
import { oursOver } from "#scripts/olm-oracle.ts";
import { goolm, libolm, type Peer, vodozemac } from "#test/peers/olm/peers.ts";
import { type Fields, localOracle, type Op, type Oracle, type Result } from "#test/peers/olm/protocol.ts";
import { needs } from "#test/support/peers.ts";
import { openPickle } from "../differential/pickles.ts";
import { type Bytes, type OlmChain, senderChainOf, toBase64 } from "./forge.ts";

export type Verdict = "accepted" | "refused";

export type Case = {
  readonly name: string;
  /** What each implementation does; one that is left out has no such function, or says so by another way. */
  readonly ours: Verdict;
  readonly libolm?: Verdict;
  readonly goolm?: Verdict;
  readonly vodozemac?: Verdict;
  run(who: Oracle): Promise<boolean>;
};

/** A call that sets the stage, and has to work. */
export const set = async (who: Oracle, op: Op, fields: Fields): Promise<Readonly<Result>> => {
  const answer = await who.call(op, fields);
  if (!answer.ok) throw new Error(`${who.name} ${op}: ${answer.err} ${answer.msg}`);
  return answer;
};

/** Whether a call is accepted. */
export const accepts = async (who: Oracle, op: Op, fields: Fields): Promise<boolean> =>
  (await who.call(op, fields)).ok;

/** The forging side: ours, whose states can be read through a libolm pickle. */
export const forger: Oracle = localOracle("ours", oursOver(nodeProvider));

export type Device = { readonly h: string; readonly identity: string };

export const device = async (who: Oracle): Promise<Device> => {
  const { h = "" } = await set(who, "account_new", {});
  const { curve25519 = "" } = await set(who, "identity_keys", { h });
  return { h, identity: curve25519 };
};

export const oneTimeKey = async (who: Oracle, { h }: Device): Promise<string> => {
  const { keys = [] } = await set(who, "one_time_keys", { h, n: 1 });
  await set(who, "mark_published", { h });
  return keys[0]?.[1] ?? "";
};

export const rawSession = async (who: Oracle, h: string): Promise<Buffer> => {
  const { pickle = "" } = await set(who, "pickle", { h, key: "k" });
  return openPickle(pickle, "k");
};

export type Talk = {
  readonly alice: Device;
  /** Alice's session at the forger, Bob's at the implementation under test. */
  readonly session: string;
  readonly bob: string;
};

/** Both have heard from each other; Alice has sent once in her newest chain, and Bob has it. */
export const talk = async (who: Oracle): Promise<Talk> => {
  const [alice, bobAccount] = [await device(forger), await device(who)];
  const their_otk = await oneTimeKey(who, bobAccount);
  const fields = { h: alice.h, their_identity: bobAccount.identity, their_otk };
  const { h: session = "" } = await set(forger, "session_outbound", fields);
  const first = await set(forger, "encrypt", { h: session, pt: "first" });
  const inbound = { h: bobAccount.h, their_identity: alice.identity, body: first.body ?? "" };
  const { h: bob = "" } = await set(who, "session_inbound", inbound);
  await pass(who, bob, forger, session);
  await pass(forger, session, who, bob);
  return { alice, session, bob };
};

/** One honest message. */
export const pass = async (from: Oracle, sender: string, to: Oracle, receiver: string): Promise<void> => {
  const { type = 1, body = "" } = await set(from, "encrypt", { h: sender, pt: "hello" });
  await set(to, "decrypt", { h: receiver, type, body });
};

/** Whether Bob takes the message that `make` forges in Alice's chain. */
export const takesOlm = async (who: Oracle, make: (chain: OlmChain) => Bytes): Promise<boolean> => {
  const { session, bob } = await talk(who);
  const body = toBase64(make(senderChainOf(await rawSession(forger, session))));
  return accepts(who, "decrypt", { h: bob, type: 1, body });
};

const describeCases = (
  name: "ours" | "libolm" | "goolm" | "vodozemac",
  start: () => Oracle,
  cases: readonly Case[],
): void => {
  let who: Oracle;
  beforeAll(() => {
    who = start();
  });
  afterAll(() => who.close());
  for (const one of cases) {
    const verdict = one[name];
    if (verdict === undefined) continue;
    it(`${one.name}: ${verdict}`, async () => {
      expect((await one.run(who)) ? "accepted" : "refused").toBe(verdict);
    });
  }
};

/** One test per case and implementation: ours decides as the table says, and the others prove the table. */
export const compareAll = (topic: string, cases: readonly Case[]): void => {
  describe(`${topic}: ours`, () => describeCases("ours", () => forger, cases));
  describe(`${topic}: libolm`, () => describeCases("libolm", () => libolm.start(), cases));
  for (const [name, peer] of [
    ["vodozemac", vodozemac],
    ["goolm", goolm],
  ] as const)
    needs<Peer>(name, peer, (found) =>
      describe(topic, () => describeCases(name, () => found.start(), cases)),
    );
};
