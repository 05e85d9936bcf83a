// Writes pickles.json beside itself, with libolm: `node test/crypto/data/libolm/generate.ts`.
import { writeFileSync } from "node:fs";
import Olm from "@matrix-org/olm";

const KEY = "a pickle key";
await Olm.init();

const keysOf = (json: string): string[] => Object.values((JSON.parse(json) as { curve25519: object }).curve25519);
const identity = (account: Olm.Account): { curve25519: string; ed25519: string } =>
  JSON.parse(account.identity_keys()) as { curve25519: string; ed25519: string };

const account = (): Olm.Account => {
  const made = new Olm.Account();
  made.create();
  return made;
};

// The wrapper's types lack the fallback keys.
type WithFallback = Olm.Account & { generate_fallback_key(): void; unpublished_fallback_key(): string };

const alice = account();
const bob = account() as WithFallback;
bob.generate_one_time_keys(2);
bob.mark_keys_as_published();
bob.generate_fallback_key();
bob.generate_fallback_key();
bob.generate_one_time_keys(2);
const oneTimeKeys = keysOf(bob.one_time_keys());
const fallbackKey = keysOf(bob.unpublished_fallback_key())[0];
const bobPickle = bob.pickle(KEY);

const aliceSession = new Olm.Session();
aliceSession.create_outbound(alice, identity(bob).curve25519, oneTimeKeys[0] ?? "");
const first = aliceSession.encrypt("first");
const aliceUnanswered = aliceSession.pickle(KEY);
const bobSession = new Olm.Session();
bobSession.create_inbound_from(bob, identity(alice).curve25519, first.body);
bobSession.decrypt(first.type, first.body);
bob.remove_one_time_keys(bobSession);
aliceSession.encrypt("lost for a while");
const skipped = aliceSession.encrypt("skipped");
const third = aliceSession.encrypt("third");
bobSession.decrypt(third.type, third.body);
const bobInactive = bobSession.pickle(KEY);
const answer = bobSession.encrypt("answer");
const bobActive = bobSession.pickle(KEY);
aliceSession.decrypt(answer.type, answer.body);
const next = aliceSession.encrypt("next");

const outbound = new Olm.OutboundGroupSession();
outbound.create();
const inbound = new Olm.InboundGroupSession();
inbound.create(outbound.session_key());
const groupMessages = ["one", "two", "three"].map((text) => outbound.encrypt(text));
inbound.decrypt(groupMessages[1] ?? "");
const pk = new Olm.PkDecryption();
const pkPublic = pk.generate_key();

const data = {
  key: KEY,
  alice: { ...identity(alice), pickle: alice.pickle(KEY) },
  bob: {
    ...identity(bob),
    pickle: bobPickle,
    oneTimeKeys,
    fallbackKey,
    signed: "a text",
    signature: bob.sign("a text"),
    preKeyMessage: first.body,
  },
  session: {
    id: aliceSession.session_id(),
    aliceUnanswered,
    answer: answer.body,
    bobInactive,
    bobActive,
    skipped: skipped.body,
    next: next.body,
  },
  group: {
    id: outbound.session_id(),
    outbound: outbound.pickle(KEY),
    sessionKey: outbound.session_key(),
    inbound: inbound.pickle(KEY),
    messages: groupMessages,
    exportedAt2: inbound.export_session(2),
  },
  pk: { pickle: pk.pickle(KEY), publicKey: pkPublic, secret: Buffer.from(pk.get_private_key()).toString("hex") },
};

writeFileSync(new URL("pickles.json", import.meta.url), `${JSON.stringify(data, null, 2)}\n`);
