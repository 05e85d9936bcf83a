// The operations of the crypto bench, over ours and over libolm. Both take strings and give strings: base64 and UTF-8
// are within the clock, the making of what an operation consumes is not.
import Olm from "@matrix-org/olm";
import type * as Ours from "./olm-entry.ts";

type Library = typeof Ours;

/** Microseconds per call, one number for each of `names`. */
export type Op = { readonly names: readonly string[]; run(): number[] };

const TEXTS: Record<string, string> = {
  "100 B": "x".repeat(100),
  "900 B": "x".repeat(900),
  "40 KB": "x".repeat(40_000),
};

/** What the measured routines need of a library. */
export type Subject = {
  readonly name: string;
  outbound(): Out;
  inbound(sessionKey: string): In;
  account(): Acc;
};
type Out = { encrypt(text: string): string; key(): string };
type In = { decrypt(body: string): string; exportAt(index: number): string };
type Body = { readonly type: 0 | 1; readonly body: string };
type Ses = { encrypt(text: string): Body; decrypt(message: Body): string };
type Acc = {
  readonly identity: string;
  keys(count: number): string[];
  outbound(identity: string, key: string): Ses;
  inbound(identity: string, body: string): Ses;
};

const text = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("utf8");

export const ours = (library: Library, provider: Library["nodeProvider"], name: string): Subject => {
  const session = (made: Ours.OlmSession): Ses => ({
    encrypt: (plain) => made.encrypt(plain),
    decrypt: (message) => text(made.decrypt(message)),
  });
  return {
    name,
    outbound: () => {
      const made = library.MegolmOutboundSession.create(provider);
      return { encrypt: (plain) => made.encrypt(plain), key: () => made.sessionKey() };
    },
    inbound: (key) => {
      const made = library.MegolmInboundSession.fromSessionKey(provider, key);
      return {
        decrypt: (body) => text(made.decrypt(body).plaintext),
        exportAt: (index) => made.exportAt(index),
      };
    },
    account: () => {
      const made = library.OlmAccount.create(provider);
      return {
        identity: made.curve25519,
        keys: (count) => {
          made.generateOneTimeKeys(count);
          const keys = made.unpublishedOneTimeKeys().map(({ key }) => key);
          made.markKeysAsPublished();
          return keys;
        },
        outbound: (identity, key) => session(made.createOutboundSession(identity, key)),
        inbound: (identity, body) => session(made.createInboundSession(identity, body).session),
      };
    },
  };
};

export const libolm = (): Subject => {
  const session = (made: Olm.Session): Ses => ({
    encrypt: (plain) => made.encrypt(plain),
    decrypt: ({ type, body }) => made.decrypt(type, body),
  });
  return {
    name: "libolm",
    outbound: () => {
      const made = new Olm.OutboundGroupSession();
      made.create();
      return { encrypt: (plain) => made.encrypt(plain), key: () => made.session_key() };
    },
    inbound: (key) => {
      const made = new Olm.InboundGroupSession();
      made.create(key);
      return {
        decrypt: (body) => made.decrypt(body).plaintext,
        exportAt: (index) => made.export_session(index),
      };
    },
    account: () => {
      const made = new Olm.Account();
      made.create();
      // {"curve25519": key, "ed25519": key}
      const identity = (JSON.parse(made.identity_keys()) as { curve25519: string }).curve25519;
      return {
        identity,
        keys: (count) => {
          made.generate_one_time_keys(count);
          // {"curve25519": {id: key}}
          const keys = JSON.parse(made.one_time_keys()) as { curve25519: Record<string, string> };
          made.mark_keys_as_published();
          return Object.values(keys.curve25519);
        },
        outbound: (theirs, key) => {
          const fresh = new Olm.Session();
          fresh.create_outbound(made, theirs, key);
          return session(fresh);
        },
        inbound: (theirs, body) => {
          const fresh = new Olm.Session();
          fresh.create_inbound_from(made, theirs, body);
          made.remove_one_time_keys(fresh);
          fresh.decrypt(0, body);
          return session(fresh);
        },
      };
    },
  };
};

/** Microseconds per call of `run` over inputs that were made before. */
const timed = <T>(inputs: readonly T[], run: (input: T) => unknown): number => {
  const start = performance.now();
  for (const input of inputs) run(input);
  return ((performance.now() - start) * 1_000) / inputs.length;
};

const many = <T>(count: number, make: (i: number) => T): T[] =>
  Array.from({ length: count }, (_, i) => make(i));

const megolmOps = (subject: Subject): Op[] => {
  const sizes = Object.entries(TEXTS).map(([size, plain]): Op => {
    const out = subject.outbound();
    const inbound = subject.inbound(out.key());
    return {
      names: [`Megolm encrypt ${size}`, `Megolm decrypt ${size}`],
      run: () => {
        const bodies: string[] = [];
        const calls = many(size === "40 KB" ? 40 : 200, () => plain);
        const encrypt = timed(calls, (input) => bodies.push(out.encrypt(input)));
        return [encrypt, timed(bodies, (body) => inbound.decrypt(body))];
      },
    };
  });
  // A new session for each call: libolm's moves its latest ratchet along, and would answer the second time from there.
  const exports = [2 ** 20, 2 ** 24 - 1].map((index): Op => {
    const key = subject.outbound().key();
    const name = `ratchet export at ${index === 2 ** 20 ? "2^20" : "2^24-1"}`;
    const run = (): number[] => {
      const sessions = many(index === 2 ** 20 ? 100 : 10, () => subject.inbound(key));
      return [timed(sessions, (session) => session.exportAt(index))];
    };
    return { names: [name], run };
  });
  const fresh: Op = {
    names: ["Megolm outbound new", "Megolm inbound new"],
    run: () => {
      const made: Out[] = [];
      const outbound = timed(
        many(60, () => 0),
        () => made.push(subject.outbound()),
      );
      const keys = made.map((one) => one.key());
      return [outbound, timed(keys, (key) => subject.inbound(key))];
    },
  };
  return [...sizes, ...exports, fresh];
};

const sessionOps = (subject: Subject): Op[] => [
  {
    names: ["Olm outbound session", "Olm inbound session + decrypt"],
    run: () => {
      const [alice, bob] = [subject.account(), subject.account()];
      const made: Ses[] = [];
      const keys = bob.keys(50);
      const outbound = timed(keys, (key) => made.push(alice.outbound(bob.identity, key)));
      const bodies = made.map((session) => session.encrypt(TEXTS["900 B"] ?? "").body);
      return [outbound, timed(bodies, (body) => bob.inbound(alice.identity, body))];
    },
  },
  {
    names: ["account with 50 one-time keys"],
    run: () => [
      timed(
        many(4, () => 50),
        (count) => subject.account().keys(count),
      ),
    ],
  },
];

/** Two sessions that have heard from each other. */
const pairOf = (subject: Subject): [Ses, Ses] => {
  const [alice, bob] = [subject.account(), subject.account()];
  const a = alice.outbound(bob.identity, bob.keys(1)[0] ?? "");
  const b = bob.inbound(alice.identity, a.encrypt("hello").body);
  a.decrypt(b.encrypt("hello"));
  return [a, b];
};

const messageOps = (subject: Subject): Op[] => {
  const plain = TEXTS["900 B"] ?? "";
  const [a, b] = pairOf(subject);
  const talk = pairOf(subject);
  return [
    {
      names: ["Olm one-way encrypt 900 B", "Olm one-way decrypt 900 B"],
      run: () => {
        // The first after a turn makes a ratchet key; that belongs to the ping-pong.
        const bodies = [a.encrypt(plain)];
        const encrypt = timed(
          many(200, () => plain),
          (input) => bodies.push(a.encrypt(input)),
        );
        b.decrypt(bodies.shift() ?? a.encrypt(plain));
        return [encrypt, timed(bodies, (body) => b.decrypt(body))];
      },
    },
    {
      names: ["Olm ping-pong encrypt 900 B", "Olm ping-pong decrypt 900 B"],
      run: () => {
        let [encrypt, decrypt] = [0, 0];
        const turns = 60;
        for (let i = 0; i < turns; i += 1) {
          const [from, to] = i % 2 === 0 ? talk : ([talk[1], talk[0]] as const);
          const start = performance.now();
          const body = from.encrypt(plain);
          const between = performance.now();
          to.decrypt(body);
          encrypt += between - start;
          decrypt += performance.now() - between;
        }
        return [(encrypt * 1_000) / turns, (decrypt * 1_000) / turns];
      },
    },
  ];
};

export const opsOf = (subject: Subject): Op[] => [
  ...megolmOps(subject),
  ...sessionOps(subject),
  ...messageOps(subject),
];
