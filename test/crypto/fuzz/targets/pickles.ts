// Fuzz targets for the pickles. What is inside is mutated and sealed anew, so that the parser meets it; what comes out
// has to be writable and readable again, and usable without a crash.
import { CryptoError } from "#crypto/errors.ts";
import { MegolmInboundSession } from "#crypto/megolm/inbound.ts";
import { MegolmOutboundSession } from "#crypto/megolm/outbound.ts";
import { OlmAccount } from "#crypto/olm/account.ts";
import * as libolm from "#crypto/pickle/libolm.ts";
import type { CryptoProvider } from "#crypto/provider.ts";
import { openPickle, sealPickle } from "../../differential/pickles.ts";
import { Broken, type Bytes, type MakeTarget } from "../harness.ts";

const KEY_TEXT = "fuzz";
const KEY: Uint8Array = Buffer.from(KEY_TEXT);

type Kind<T> = {
  readonly name: string;
  make(provider: CryptoProvider): T[];
  pickle(provider: CryptoProvider, thing: T, key: Uint8Array): string;
  unpickle(provider: CryptoProvider, pickle: string, key: Uint8Array): T;
  /** Uses it: whatever a pickle says, this may be refused, and may not crash. */
  use(thing: T): void;
};

const refusable = (run: () => void): void => {
  try {
    run();
  } catch (error) {
    if (!(error instanceof CryptoError)) throw error;
  }
};

const target =
  <T>(kind: Kind<T>): MakeTarget =>
  (provider) => {
    const pickles = kind.make(provider).map((thing) => kind.pickle(provider, thing, KEY));
    return {
      name: kind.name,
      seeds: pickles.map((pickle) => new Uint8Array(openPickle(pickle, KEY_TEXT))),
      feed: (input) => {
        const thing = kind.unpickle(provider, sealPickle(input, KEY_TEXT), KEY);
        const once = kind.pickle(provider, thing, KEY);
        const twice = kind.pickle(provider, kind.unpickle(provider, once, KEY), KEY);
        if (once !== twice) throw new Broken("what was read does not survive writing and reading");
        refusable(() => kind.use(thing));
        return Buffer.from(openPickle(once, KEY_TEXT)).toString("base64");
      },
    };
  };

const accounts = (provider: CryptoProvider): OlmAccount[] => {
  const [bare, full] = [OlmAccount.create(provider), OlmAccount.create(provider)];
  full.generateOneTimeKeys(3);
  full.markKeysAsPublished();
  full.generateOneTimeKeys(2);
  full.generateFallbackKey();
  full.generateFallbackKey();
  return [bare, full];
};

export const accountPickleTarget: MakeTarget = target<OlmAccount>({
  name: "pickle-account",
  make: accounts,
  pickle: libolm.pickleAccount,
  unpickle: libolm.unpickleAccount,
  use: (account) => {
    account.sign("x");
    account.generateOneTimeKeys(1);
    account.unpublishedOneTimeKeys();
    account.createOutboundSession(account.curve25519, account.curve25519);
  },
});

export const sessionPickleTarget: MakeTarget = target({
  name: "pickle-session",
  make: (provider) => {
    const [alice, bob] = [OlmAccount.create(provider), OlmAccount.create(provider)];
    bob.generateOneTimeKeys(1);
    const theirs = alice.createOutboundSession(bob.curve25519, bob.unpublishedOneTimeKeys()[0]?.key ?? "");
    const fresh = libolm.unpickleSession(provider, libolm.pickleSession(provider, theirs, KEY), KEY);
    const [one, , three] = [theirs.encrypt("1"), theirs.encrypt("2"), theirs.encrypt("3")];
    const { session } = bob.createInboundSession(alice.curve25519, one.body);
    session.decrypt(three);
    theirs.decrypt(session.encrypt("4"));
    return [fresh, theirs, session];
  },
  pickle: libolm.pickleSession,
  unpickle: libolm.unpickleSession,
  use: (session) => {
    session.encrypt("x");
  },
});

export const outboundPickleTarget: MakeTarget = target({
  name: "pickle-group-out",
  make: (provider) => [MegolmOutboundSession.create(provider)],
  pickle: libolm.pickleOutboundGroup,
  unpickle: libolm.unpickleOutboundGroup,
  use: (session) => {
    session.encrypt("x");
    session.sessionKey();
  },
});

export const inboundPickleTarget: MakeTarget = target({
  name: "pickle-group-in",
  make: (provider) => {
    const outbound = MegolmOutboundSession.create(provider);
    const session = MegolmInboundSession.fromSessionKey(provider, outbound.sessionKey());
    session.decrypt(outbound.encrypt("x"));
    return [session, MegolmInboundSession.fromExport(provider, session.exportAt(300))];
  },
  pickle: libolm.pickleInboundGroup,
  unpickle: libolm.unpickleInboundGroup,
  use: (session) => {
    session.exportAt(session.firstKnownIndex);
    session.compare(session);
    session.merge(session);
  },
});

export const pkPickleTarget: MakeTarget = target({
  name: "pickle-pk",
  make: (provider) => [provider.generateX25519()],
  pickle: libolm.picklePkDecryption,
  unpickle: libolm.unpicklePkDecryption,
  use: (keys) => {
    keys.agree(keys.publicKey);
  },
});

/** The sealed text itself: everything but the original is refused by its MAC, whatever it holds. */
export const sealedPickleTarget: MakeTarget = (provider) => {
  const pickles = accounts(provider).map((account) => libolm.pickleAccount(provider, account, KEY));
  const latin1 = (input: Bytes): string => Buffer.from(input).toString("latin1");
  return {
    name: "pickle-sealed",
    seeds: pickles.map((pickle) => new Uint8Array(Buffer.from(pickle))),
    feed: (input) => {
      const account = libolm.unpickleAccount(provider, latin1(input), KEY);
      if (!pickles.includes(latin1(input).replace(/=+$/, ""))) throw new Broken("a forged pickle was taken");
      return account.ed25519;
    },
  };
};
