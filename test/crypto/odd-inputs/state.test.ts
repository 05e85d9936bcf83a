// Odd requests of the state: gaps, replays, limits, the wrap, keys that are gone, old pickles.
import type { Oracle } from "#test/peers/olm/protocol.ts";
import { outboundAt, sealPickle } from "../differential/pickles.ts";
import { concat, exportOf, forgeMegolm, megolmSender, reseeded, sessionKeyOf, toBase64 } from "./forge.ts";
import {
  accepts,
  type Case,
  compareAll,
  type Device,
  device,
  forger,
  oneTimeKey,
  rawSession,
  set,
  talk,
} from "./scene.ts";

type Verdicts = Omit<Case, "name" | "run">;
const STRICT: Verdicts = { ours: "refused", libolm: "refused", goolm: "refused", vodozemac: "refused" };
const OPEN: Verdicts = { ours: "accepted", libolm: "accepted", goolm: "accepted", vodozemac: "accepted" };

type Body = { readonly type: number; readonly body: string };

const many = async (session: string, count: number): Promise<Body[]> => {
  const out: Body[] = [];
  for (let i = 0; i < count; i += 1) {
    const { type = 1, body = "" } = await set(forger, "encrypt", { h: session, pt: `${i}` });
    out.push({ type, body });
  }
  return out;
};

const last = <T>(items: readonly T[]): T => {
  const item = items.at(-1);
  if (item === undefined) throw new RangeError("nothing there");
  return item;
};

/** In a chain of Alice's that Bob knows, `skip` messages are lost; the next one. */
const gap = (skip: number, verdicts: Verdicts): Case => ({
  name: `a gap of ${skip} messages`,
  ...verdicts,
  run: async (who) => {
    const { session, bob } = await talk(who);
    return accepts(who, "decrypt", { h: bob, ...last(await many(session, skip + 1)) });
  },
});

/** The first pre-key message that arrives is the one with this index. */
const firstIndex = (index: number, verdicts: Verdicts): Case => ({
  name: `a first pre-key message with index ${index}`,
  ...verdicts,
  run: async (who) => {
    const [alice, bob] = [await device(forger), await device(who)];
    const their_otk = await oneTimeKey(who, bob);
    const made = await set(forger, "session_outbound", {
      h: alice.h,
      their_identity: bob.identity,
      their_otk,
    });
    const { body } = last(await many(made.h ?? "", index + 1));
    return accepts(who, "session_inbound", { h: bob.h, their_identity: alice.identity, body });
  },
});

/** `skip` are lost before one arrives; then the lost one number `late` (of `skip`, from 0) comes after all. */
const lateOne = (skip: number, late: number, verdicts: Verdicts): Case => ({
  name: `${skip} skipped, then number ${late} of them`,
  ...verdicts,
  run: async (who) => {
    const { session, bob } = await talk(who);
    const bodies = await many(session, skip + 1);
    await set(who, "decrypt", { h: bob, ...last(bodies) });
    return accepts(who, "decrypt", { h: bob, ...(bodies[late] ?? last(bodies)) });
  },
});

/** 30 skipped keys in each of `chains` chains; then the first message of the oldest chain. */
const overChains = (chains: number, verdicts: Verdicts): Case => ({
  name: `30 skipped in each of ${chains} chains, then the first of the oldest`,
  ...verdicts,
  run: async (who) => {
    const { session, bob } = await talk(who);
    let oldest: Body | null = null;
    for (let i = 0; i < chains; i += 1) {
      // An answer, so that Alice's next message begins a chain.
      const { type = 1, body = "" } = await set(who, "encrypt", { h: bob, pt: "answer" });
      await set(forger, "decrypt", { h: session, type, body });
      const bodies = await many(session, 31);
      oldest ??= bodies[0] ?? null;
      await set(who, "decrypt", { h: bob, ...last(bodies) });
    }
    return accepts(who, "decrypt", { h: bob, ...(oldest ?? { type: 1, body: "" }) });
  },
});

const replay: Case = {
  name: "an Olm message twice",
  ...STRICT,
  run: async (who) => {
    const { session, bob } = await talk(who);
    const message = last(await many(session, 1));
    await set(who, "decrypt", { h: bob, ...message });
    return accepts(who, "decrypt", { h: bob, ...message });
  },
};

/** A pre-key message of Alice's to Bob under `key`. */
const preKeyTo = async (alice: Device, bob: Device, key: string): Promise<string> => {
  const fields = { h: alice.h, their_identity: bob.identity, their_otk: key };
  const { h = "" } = await set(forger, "session_outbound", fields);
  return last(await many(h, 1)).body;
};

const inbound = async (who: Oracle, bob: Device, alice: Device, body: string): Promise<boolean> =>
  accepts(who, "session_inbound", { h: bob.h, their_identity: alice.identity, body });

const usedKey: Case = {
  name: "a one-time key for the second time",
  ...STRICT,
  run: async (who) => {
    const [alice, bob] = [await device(forger), await device(who)];
    const key = await oneTimeKey(who, bob);
    await inbound(who, bob, alice, await preKeyTo(alice, bob, key));
    return inbound(who, bob, alice, await preKeyTo(alice, bob, key));
  },
};

const brokenFirst: Case = {
  name: "a one-time key after a damaged message under it",
  ...OPEN,
  run: async (who) => {
    const [alice, bob] = [await device(forger), await device(who)];
    const body = await preKeyTo(alice, bob, await oneTimeKey(who, bob));
    await inbound(who, bob, alice, `${body.slice(0, -4)}AAAA`);
    return inbound(who, bob, alice, body);
  },
};

const foreignIdentity: Case = {
  name: "a pre-key message under another sender's identity key",
  ...STRICT,
  run: async (who) => {
    const [alice, mallory, bob] = [await device(forger), await device(forger), await device(who)];
    const body = await preKeyTo(alice, bob, await oneTimeKey(who, bob));
    return inbound(who, bob, mallory, body);
  },
};

/** A one-time key after `newer` others. */
const keptKey = (newer: number, verdicts: Verdicts): Case => ({
  name: `a one-time key after ${newer} newer ones`,
  ...verdicts,
  run: async (who) => {
    const [alice, bob] = [await device(forger), await device(who)];
    const key = await oneTimeKey(who, bob);
    for (let left = newer; left > 0; left -= 50) {
      await set(who, "one_time_keys", { h: bob.h, n: Math.min(50, left) });
      await set(who, "mark_published", { h: bob.h });
    }
    return inbound(who, bob, alice, await preKeyTo(alice, bob, key));
  },
});

/** A fallback key, used twice, after `newer` others. */
const fallback = (newer: number, verdicts: Verdicts): Case => ({
  name: `a fallback key twice, after ${newer} newer ones`,
  ...verdicts,
  run: async (who) => {
    const [alice, bob] = [await device(forger), await device(who)];
    const { keys = [] } = await set(who, "fallback", { h: bob.h });
    await set(who, "mark_published", { h: bob.h });
    for (let i = 0; i < newer; i += 1) {
      await set(who, "fallback", { h: bob.h });
      await set(who, "mark_published", { h: bob.h });
    }
    const key = keys[0]?.[1] ?? "";
    const first = await inbound(who, bob, alice, await preKeyTo(alice, bob, key));
    return first && inbound(who, bob, alice, await preKeyTo(alice, bob, key));
  },
});

const emptyOlm: Case = {
  name: "encrypting an empty text, Olm",
  ...OPEN,
  goolm: "refused",
  run: async (who) => accepts(who, "encrypt", { h: (await talk(who)).bob, pt: "" }),
};

const emptyMegolm: Case = {
  name: "encrypting an empty text, Megolm",
  ...OPEN,
  goolm: "refused",
  run: async (who) => {
    const { h = "" } = await set(who, "group_outbound_new", {});
    return accepts(who, "group_encrypt", { h, pt: "" });
  },
};

const emptySign: Case = {
  name: "signing an empty text",
  ...OPEN,
  goolm: "refused",
  run: async (who) => accepts(who, "sign", { h: (await device(who)).h, msg: "" }),
};

compareAll("Olm state", [
  gap(2_000, OPEN),
  gap(2_001, STRICT),
  firstIndex(2_000, OPEN),
  firstIndex(2_001, STRICT),
  lateOne(40, 0, OPEN),
  lateOne(41, 0, { ...STRICT, goolm: "accepted" }),
  lateOne(41, 1, OPEN),
  overChains(2, { ...OPEN, libolm: "refused" }),
  overChains(5, { ...OPEN, libolm: "refused" }),
  overChains(6, { ...STRICT, goolm: "accepted" }),
  replay,
  usedKey,
  brokenFirst,
  foreignIdentity,
  keptKey(99, OPEN),
  keptKey(100, { ...OPEN, libolm: "refused", goolm: "refused" }),
  keptKey(4_999, { ours: "accepted" }),
  keptKey(5_000, { ours: "refused" }),
  fallback(0, OPEN),
  fallback(1, OPEN),
  fallback(2, STRICT),
  emptyOlm,
  emptyMegolm,
  emptySign,
]);

const WRAP = 2 ** 32;

/** A session that is known from `first` on, and a message at `index`; `steps` of the highest ratchet part lie between. */
const megolmAt = (name: string, verdicts: Verdicts, first: number, index: number, steps: number): Case => ({
  name: `Megolm message: ${name}`,
  ...verdicts,
  run: async (who) => {
    const sender = megolmSender();
    const { h = "" } = await set(who, "group_inbound", { key: toBase64(sessionKeyOf(sender, first)) });
    const ratchet = steps === 0 ? sender.ratchet : reseeded(sender.ratchet, steps);
    return accepts(who, "group_decrypt", { h, body: toBase64(forgeMegolm({ ...sender, ratchet }, index)) });
  },
});

const exported = (name: string, verdicts: Verdicts, first: number, index: number): Case => ({
  name: `Megolm export: ${name}`,
  ...verdicts,
  run: async (who) => {
    const sender = megolmSender();
    const key = toBase64(exportOf(sender.ratchet, sender.publicKey, first));
    const { h = "" } = await set(who, "group_import", { key });
    return accepts(who, "group_export", { h, index });
  },
});

const megolmReplay: Case = {
  name: "a Megolm message twice",
  ...OPEN,
  run: async (who) => {
    const sender = megolmSender();
    const { h = "" } = await set(who, "group_inbound", { key: toBase64(sessionKeyOf(sender, 0)) });
    const body = toBase64(forgeMegolm(sender, 0));
    return (await accepts(who, "group_decrypt", { h, body })) && accepts(who, "group_decrypt", { h, body });
  },
};

/** An outbound session near its last index, brought in as a libolm pickle; `count` messages. */
const outboundFrom = async (who: Oracle, index: number): Promise<string> => {
  const pickle = sealPickle(outboundAt(megolmSender().ratchet, index), "k");
  return (await set(who, "unpickle", { kind: "group_out", pickle, key: "k" })).h ?? "";
};

const encryptAt = (name: string, verdicts: Verdicts, index: number, count: number): Case => ({
  name: `Megolm encryption: ${name}`,
  ...verdicts,
  run: async (who) => {
    const h = await outboundFrom(who, index);
    for (let i = 1; i < count; i += 1) await set(who, "group_encrypt", { h, pt: "x" });
    return accepts(who, "group_encrypt", { h, pt: "x" });
  },
});

const acrossWrap: Case = {
  name: "Megolm message: beyond the wrap",
  ours: "refused",
  libolm: "accepted",
  goolm: "accepted",
  run: async (who) => {
    const h = await outboundFrom(who, WRAP - 2);
    const { key = "" } = await set(who, "group_session_key", { h });
    const joined = await set(who, "group_inbound", { key });
    await set(who, "group_encrypt", { h, pt: "x" });
    await set(who, "group_encrypt", { h, pt: "x" });
    // Where the sender does not go on, there is no message to take.
    const answer = await who.call("group_encrypt", { h, pt: "x" });
    return answer.ok && accepts(who, "group_decrypt", { h: joined.h ?? "", body: answer.body ?? "" });
  },
};

compareAll("Megolm state", [
  megolmReplay,
  megolmAt("at the first known index", OPEN, 5, 5, 0),
  megolmAt("before the first known index", STRICT, 5, 4, 0),
  megolmAt("2^24 ahead", OPEN, 0, 2 ** 24, 1),
  megolmAt("2^31 - 2^24 ahead", OPEN, 0, 2 ** 31 - 2 ** 24, 127),
  megolmAt("2^31 ahead", { ...STRICT, vodozemac: "accepted" }, 0, 2 ** 31, 128),
  // libolm cannot say that index: its error value.
  megolmAt(
    "index 0 for a session from 2^32 - 1 on",
    { ours: "refused", goolm: "accepted", vodozemac: "refused" },
    WRAP - 1,
    0,
    1,
  ),
  exported("at the first known index", OPEN, 5, 5),
  exported("before the first known index", STRICT, 5, 4),
  exported("2^31 - 1 ahead", OPEN, 0, 2 ** 31 - 1),
  exported("2^31 ahead", { ...STRICT, vodozemac: "accepted" }, 0, 2 ** 31),
  encryptAt("at index 2^32 - 1", { ours: "accepted", libolm: "accepted", goolm: "accepted" }, WRAP - 1, 1),
  encryptAt("after index 2^32 - 1", { ours: "refused", libolm: "accepted", goolm: "accepted" }, WRAP - 1, 2),
  acrossWrap,
]);

/** A raw libolm pickle of an inbound group: version, two ratchets with their index, signing key, and (from version 2) a flag. */
const groupInPickle = (version: number): Uint8Array => {
  const { ratchet, publicKey } = megolmSender();
  const index = new Uint8Array(4);
  return concat([0, 0, 0, version], ratchet, index, ratchet, index, publicKey, version >= 2 ? [1] : []);
};

const pickle = (
  name: string,
  verdicts: Verdicts,
  kind: "group_in" | "session",
  raw: () => Promise<Uint8Array>,
): Case => ({
  name: `libolm pickle: ${name}`,
  ...verdicts,
  run: async (who) => accepts(who, "unpickle", { kind, pickle: sealPickle(await raw(), "k"), key: "k" }),
});

const BYTE_TOO_MANY: Verdicts = { ...STRICT, goolm: "accepted", vodozemac: "accepted" };

const sessionRaw = async (): Promise<Uint8Array> => rawSession(forger, (await talk(forger)).session);

/** As goolm 0.26 writes a long conversation: nothing is trimmed. Only the lists' lengths matter here. */
const longSession = async (): Promise<Uint8Array> => {
  const raw = await sessionRaw();
  const receivers = 4 + 1 + 96 + 32 + 4 + 100;
  const chain = raw.subarray(receivers + 4, receivers + 4 + 68);
  const skipped = Array.from({ length: 60 }, (_, i) => concat(chain.subarray(0, 64), [0, 0, 0, i]));
  const eight = new Array<Uint8Array>(8).fill(chain);
  return concat(raw.subarray(0, receivers), [0, 0, 0, 8], ...eight, [0, 0, 0, 60], ...skipped);
};

compareAll("pickles", [
  pickle("inbound group, version 2", OPEN, "group_in", () => Promise.resolve(groupInPickle(2))),
  pickle("inbound group, version 1", { ...OPEN, vodozemac: "refused" }, "group_in", () =>
    Promise.resolve(groupInPickle(1)),
  ),
  pickle("inbound group, version 3", STRICT, "group_in", () => Promise.resolve(groupInPickle(3))),
  pickle("inbound group, a byte too many", BYTE_TOO_MANY, "group_in", () =>
    Promise.resolve(concat(groupInPickle(2), [0])),
  ),
  pickle("inbound group, a byte too few", STRICT, "group_in", () =>
    Promise.resolve(groupInPickle(2).slice(0, -1)),
  ),
  pickle("session as ours writes it", OPEN, "session", sessionRaw),
  pickle("session with eight receiver chains and 60 skipped keys", OPEN, "session", longSession),
  pickle("session, a byte too many", BYTE_TOO_MANY, "session", async () => concat(await sessionRaw(), [0])),
]);
