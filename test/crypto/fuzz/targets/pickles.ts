// Fuzz targets for the pickles. What is inside is mutated and sealed anew, so that the parser meets it; what comes out
// has to be writable and readable again, and usable without a crash.
import { createCipheriv, createDecipheriv, hkdfSync } from "node:crypto";
import { CryptoError } from "#crypto/errors.ts";
import { MegolmInboundSession } from "#crypto/megolm/inbound.ts";
import { MegolmOutboundSession } from "#crypto/megolm/outbound.ts";
import { OlmAccount } from "#crypto/olm/account.ts";
import type { OlmSession } from "#crypto/olm/session.ts";
import * as libolm from "#crypto/pickle/libolm.ts";
import * as own from "#crypto/pickle/own.ts";
import type { CryptoProvider, X25519KeyPair } from "#crypto/provider.ts";
import { openPickle, sealPickle } from "../../differential/pickles.ts";
import { Broken, type Bytes, type MakeTarget } from "../harness.ts";

const KEY_TEXT = "fuzz";
const KEY: Uint8Array = Buffer.from(KEY_TEXT);
const STORE_KEY: Uint8Array = new Uint8Array(32).fill(8);
const CONTEXT = "row 1";

/** How one kind of object is written down: its raw bytes, as they are inside of the seal. */
type Form<T> = {
  write(provider: CryptoProvider, thing: T): Bytes;
  read(provider: CryptoProvider, raw: Bytes): T;
};

type Kind<T> = {
  readonly name: string;
  readonly form: Form<T>;
  make(provider: CryptoProvider): T[];
  /** Uses it: whatever a pickle says, this may be refused, and may not crash. */
  use(thing: T): void;
};

const inLibolm = <T>(
  pickle: (provider: CryptoProvider, thing: T, key: Uint8Array) => string,
  unpickle: (provider: CryptoProvider, pickle: string, key: Uint8Array) => T,
): Form<T> => ({
  write: (provider, thing) => new Uint8Array(openPickle(pickle(provider, thing, KEY), KEY_TEXT)),
  read: (provider, raw) => unpickle(provider, sealPickle(raw, KEY_TEXT), KEY),
});

/** The naive twin of our own seal. `number`: the kind, as the header says it. */
const box = (header: Uint8Array): { key: Buffer; nonce: Buffer; associated: Buffer } => {
  const both = Buffer.from(hkdfSync("sha256", STORE_KEY, header.subarray(2, 26), "petrel pickle", 44));
  const associated = Buffer.concat([header.subarray(0, 2), Buffer.from(CONTEXT)]);
  return { key: both.subarray(0, 32), nonce: both.subarray(32), associated };
};

const sealOwn = (number: number, raw: Uint8Array): Bytes => {
  const header = Uint8Array.from([1, number, ...new Uint8Array(24)]);
  const { key, nonce, associated } = box(header);
  const cipher = createCipheriv("chacha20-poly1305", key, nonce, { authTagLength: 16 });
  cipher.setAAD(associated, { plaintextLength: raw.length });
  return new Uint8Array(Buffer.concat([header, cipher.update(raw), cipher.final(), cipher.getAuthTag()]));
};

const openOwn = (sealed: Uint8Array): Bytes => {
  const { key, nonce } = box(sealed.subarray(0, 26));
  const decipher = createDecipheriv("chacha20-poly1305", key, nonce, { authTagLength: 16 });
  return new Uint8Array(decipher.update(sealed.subarray(26, -16)));
};

const inOwn = <T>(
  number: number,
  seal: (provider: CryptoProvider, thing: T, key: Uint8Array, context: string) => Uint8Array,
  open: (provider: CryptoProvider, sealed: Uint8Array, key: Uint8Array, context: string) => T,
): Form<T> => ({
  write: (provider, thing) => openOwn(seal(provider, thing, STORE_KEY, CONTEXT)),
  read: (provider, raw) => open(provider, sealOwn(number, raw), STORE_KEY, CONTEXT),
});

const refusable = (run: () => void): void => {
  try {
    run();
  } catch (error) {
    if (!(error instanceof CryptoError)) throw error;
  }
};

const target =
  <T>({ name, form, make, use }: Kind<T>): MakeTarget =>
  (provider) => ({
    name,
    seeds: make(provider).map((thing) => form.write(provider, thing)),
    feed: (input) => {
      const thing = form.read(provider, input);
      const once = form.write(provider, thing);
      const twice = form.write(provider, form.read(provider, once));
      if (Buffer.compare(once, twice) !== 0)
        throw new Broken("what was read does not survive writing and reading");
      refusable(() => use(thing));
      return Buffer.from(once).toString("base64");
    },
  });

const accounts = (provider: CryptoProvider): OlmAccount[] => {
  const [bare, full] = [OlmAccount.create(provider), OlmAccount.create(provider)];
  full.generateOneTimeKeys(3);
  full.markKeysAsPublished();
  full.generateOneTimeKeys(2);
  full.generateFallbackKey();
  full.generateFallbackKey();
  return [bare, full];
};

const account: Omit<Kind<OlmAccount>, "name" | "form"> = {
  make: accounts,
  use: (made) => {
    made.sign("x");
    made.generateOneTimeKeys(1);
    made.unpublishedOneTimeKeys();
    made.createOutboundSession(made.curve25519, made.curve25519);
  },
};

const session: Omit<Kind<OlmSession>, "name" | "form"> = {
  make: (provider) => {
    const [alice, bob] = [OlmAccount.create(provider), OlmAccount.create(provider)];
    bob.generateOneTimeKeys(1);
    const theirs = alice.createOutboundSession(bob.curve25519, bob.unpublishedOneTimeKeys()[0]?.key ?? "");
    const fresh = libolm.unpickleSession(provider, libolm.pickleSession(provider, theirs, KEY), KEY);
    const [one, , three] = [theirs.encrypt("1"), theirs.encrypt("2"), theirs.encrypt("3")];
    const made = bob.createInboundSession(alice.curve25519, one.body).session;
    made.decrypt(three);
    theirs.decrypt(made.encrypt("4"));
    return [fresh, theirs, made];
  },
  use: (made) => {
    made.encrypt("x");
  },
};

const outbound: Omit<Kind<MegolmOutboundSession>, "name" | "form"> = {
  make: (provider) => [MegolmOutboundSession.create(provider)],
  use: (made) => {
    made.encrypt("x");
    made.sessionKey();
  },
};

const inbound: Omit<Kind<MegolmInboundSession>, "name" | "form"> = {
  make: (provider) => {
    const sender = MegolmOutboundSession.create(provider);
    const made = MegolmInboundSession.fromSessionKey(provider, sender.sessionKey());
    made.decrypt(sender.encrypt("x"));
    return [made, MegolmInboundSession.fromExport(provider, made.exportAt(300))];
  },
  use: (made) => {
    made.exportAt(made.firstKnownIndex);
    made.compare(made);
    made.merge(made);
  },
};

export const accountPickle: MakeTarget = target({
  name: "pickle-account",
  form: inLibolm(libolm.pickleAccount, libolm.unpickleAccount),
  ...account,
});

export const sessionPickle: MakeTarget = target({
  name: "pickle-session",
  form: inLibolm(libolm.pickleSession, libolm.unpickleSession),
  ...session,
});

export const outboundPickle: MakeTarget = target({
  name: "pickle-group-out",
  form: inLibolm(libolm.pickleOutboundGroup, libolm.unpickleOutboundGroup),
  ...outbound,
});

export const inboundPickle: MakeTarget = target({
  name: "pickle-group-in",
  form: inLibolm(libolm.pickleInboundGroup, libolm.unpickleInboundGroup),
  ...inbound,
});

export const pkPickle: MakeTarget = target<X25519KeyPair>({
  name: "pickle-pk",
  form: inLibolm(libolm.picklePkDecryption, libolm.unpicklePkDecryption),
  make: (provider) => [provider.generateX25519()],
  use: (keys) => {
    keys.agree(keys.publicKey);
  },
});

export const ownAccount: MakeTarget = target({
  name: "own-account",
  form: inOwn(1, own.sealAccount, own.openAccount),
  ...account,
});

export const ownSession: MakeTarget = target({
  name: "own-session",
  form: inOwn(2, own.sealSession, own.openSession),
  ...session,
});

export const ownOutbound: MakeTarget = target({
  name: "own-group-out",
  form: inOwn(3, own.sealOutboundGroup, own.openOutboundGroup),
  ...outbound,
});

export const ownInbound: MakeTarget = target({
  name: "own-group-in",
  form: inOwn(4, own.sealInboundGroup, own.openInboundGroup),
  ...inbound,
});

/** Our seal itself: nothing opens but what was sealed. */
export const ownSealed: MakeTarget = (provider) => {
  const sealed = accounts(provider).map((made) => own.sealAccount(provider, made, STORE_KEY, CONTEXT));
  return {
    name: "own-sealed",
    seeds: sealed.map((bytes) => new Uint8Array(bytes)),
    feed: (input) => {
      const opened = own.openAccount(provider, input, STORE_KEY, CONTEXT);
      if (!sealed.some((bytes) => Buffer.compare(bytes, input) === 0))
        throw new Broken("a forged pickle was taken");
      return opened.ed25519;
    },
  };
};

/** The sealed text itself: everything but the original is refused by its MAC, whatever it holds. */
export const sealedPickle: MakeTarget = (provider) => {
  const pickles = accounts(provider).map((account) => libolm.pickleAccount(provider, account, KEY));
  const latin1 = (input: Bytes): string => Buffer.from(input).toString("latin1");
  return {
    name: "pickle-sealed",
    seeds: pickles.map((pickle) => new Uint8Array(Buffer.from(pickle))),
    feed: (input) => {
      const opened = libolm.unpickleAccount(provider, latin1(input), KEY);
      if (!pickles.includes(latin1(input).replace(/=+$/, ""))) throw new Broken("a forged pickle was taken");
      return opened.ed25519;
    },
  };
};
