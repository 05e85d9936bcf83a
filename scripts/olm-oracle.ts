// Our Olm and Megolm behind the oracle protocol (test/peers/olm/README.md), so that any other implementation can be
// driven against ours: `node scripts/olm-oracle.ts [node|noble]`. The handler itself serves the tests in-process.
import { CryptoError } from "#crypto/errors.ts";
import { MegolmInboundSession } from "#crypto/megolm/inbound.ts";
import { MegolmOutboundSession } from "#crypto/megolm/outbound.ts";
import { OlmAccount, type OneTimeKey } from "#crypto/olm/account.ts";
import { OlmSession } from "#crypto/olm/session.ts";
import { verifySignature } from "#crypto/olm/signature.ts";
import * as libolm from "#crypto/pickle/libolm.ts";
import * as own from "#crypto/pickle/own.ts";
import { nobleProvider } from "#crypto/provider/noble.ts";
import { nodeProvider } from "#crypto/provider/node.ts";
import type { CryptoProvider } from "#crypto/provider.ts";
import { createSas, type Sas, type SasSecret } from "#crypto/sas.ts";
import {
  type Fields,
  type Handler,
  need,
  type ObjectKind,
  type Op,
  Refusal,
  type Result,
  serve,
} from "#test/peers/olm/protocol.ts";

type Thing = OlmAccount | OlmSession | MegolmOutboundSession | MegolmInboundSession;
type Verification = { readonly ours: Sas; secret: SasSecret | null };
type Table = Partial<Record<Op, (fields: Fields) => Result>>;

type Shelf = {
  readonly provider: CryptoProvider;
  keep(thing: Thing): string;
  drop(h: string): void;
  any(fields: Fields): Thing;
  account(fields: Fields): OlmAccount;
  session(fields: Fields): OlmSession;
  groupOut(fields: Fields): MegolmOutboundSession;
  groupIn(fields: Fields): MegolmInboundSession;
};

const KINDS: readonly ObjectKind[] = ["account", "session", "group_out", "group_in"];

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString("utf8");
const bytes = (value: string): Uint8Array => Buffer.from(value, "utf8");
const pairs = (keys: readonly OneTimeKey[]): [string, string][] => keys.map(({ id, key }) => [id, key]);

const shelf = (provider: CryptoProvider): Shelf => {
  const things = new Map<string, Thing>();
  let made = 0;
  const any = ({ h }: Fields): Thing => {
    const thing = things.get(need(h, "h"));
    if (thing === undefined) throw new Refusal("UNSUPPORTED", `nothing under the handle ${h}`);
    return thing;
  };
  const wrong = (kind: string): never => {
    throw new Refusal("UNSUPPORTED", `the handle is no ${kind}`);
  };
  return {
    provider,
    keep: (thing) => {
      const h = `p${made++}`;
      things.set(h, thing);
      return h;
    },
    drop: (h) => {
      things.delete(h);
    },
    any,
    account: (fields) => {
      const thing = any(fields);
      return thing instanceof OlmAccount ? thing : wrong("account");
    },
    session: (fields) => {
      const thing = any(fields);
      return thing instanceof OlmSession ? thing : wrong("session");
    },
    groupOut: (fields) => {
      const thing = any(fields);
      return thing instanceof MegolmOutboundSession ? thing : wrong("outbound group");
    },
    groupIn: (fields) => {
      const thing = any(fields);
      return thing instanceof MegolmInboundSession ? thing : wrong("inbound group");
    },
  };
};

const accountOps = ({ provider, keep, account }: Shelf): Table => ({
  account_new: () => ({ h: keep(OlmAccount.create(provider)) }),
  identity_keys: (f) => ({ curve25519: account(f).curve25519, ed25519: account(f).ed25519 }),
  one_time_keys: (f) => {
    account(f).generateOneTimeKeys(need(f.n, "n"));
    return { keys: pairs(account(f).unpublishedOneTimeKeys()) };
  },
  mark_published: (f) => {
    account(f).markKeysAsPublished();
    return {};
  },
  fallback: (f) => {
    account(f).generateFallbackKey();
    const key = account(f).unpublishedFallbackKey();
    return { keys: key === null ? [] : pairs([key]) };
  },
  sign: (f) => ({ sig: account(f).sign(need(f.msg, "msg")) }),
  verify: (f) => {
    verifySignature(provider, need(f.pub, "pub"), need(f.msg, "msg"), need(f.sig, "sig"));
    return {};
  },
});

const messageType = (type: number | undefined): 0 | 1 => {
  if (type !== 0 && type !== 1) throw new Refusal("FORMAT", `no message type ${type}`);
  return type;
};

const sessionOps = ({ keep, account, session }: Shelf): Table => ({
  session_outbound: (f) => {
    const made = account(f).createOutboundSession(
      need(f.their_identity, "their_identity"),
      need(f.their_otk, "their_otk"),
    );
    return { h: keep(made), session_id: made.sessionId };
  },
  session_inbound: (f) => {
    const made = account(f).createInboundSession(
      need(f.their_identity, "their_identity"),
      need(f.body, "body"),
    );
    return { h: keep(made.session), session_id: made.session.sessionId, pt: text(made.plaintext) };
  },
  session_id: (f) => ({ session_id: session(f).sessionId }),
  session_matches: (f) => ({ matches: session(f).matches(need(f.body, "body")) }),
  encrypt: (f) => session(f).encrypt(need(f.pt, "pt")),
  decrypt: (f) => ({
    pt: text(session(f).decrypt({ type: messageType(f.type), body: need(f.body, "body") })),
  }),
});

const groupOps = ({ provider, keep, groupOut, groupIn }: Shelf): Table => {
  const joined = (made: MegolmInboundSession): Result => ({
    h: keep(made),
    session_id: made.sessionId,
    first_known_index: made.firstKnownIndex,
  });
  return {
    group_outbound_new: () => {
      const made = MegolmOutboundSession.create(provider);
      return { h: keep(made), session_id: made.sessionId };
    },
    group_session_key: (f) => ({ key: groupOut(f).sessionKey(), index: groupOut(f).messageIndex }),
    group_encrypt: (f) => ({ body: groupOut(f).encrypt(need(f.pt, "pt")) }),
    group_inbound: (f) => joined(MegolmInboundSession.fromSessionKey(provider, need(f.key, "key"))),
    group_import: (f) => joined(MegolmInboundSession.fromExport(provider, need(f.key, "key"))),
    group_decrypt: (f) => {
      const { plaintext, messageIndex } = groupIn(f).decrypt(need(f.body, "body"));
      return { pt: text(plaintext), index: messageIndex };
    },
    group_export: (f) => ({ key: groupIn(f).exportAt(need(f.index, "index")) }),
  };
};

// Our own pickles want a key of 32 bytes and a context: the protocol's key is hashed, the context is fixed.
const CONTEXT = "olm-oracle";
const ownKey = (provider: CryptoProvider, key: string): Uint8Array => provider.sha256(bytes(key));

const sealed = (provider: CryptoProvider, thing: Thing, key: string): Uint8Array => {
  const secret = ownKey(provider, key);
  if (thing instanceof OlmAccount) return own.sealAccount(provider, thing, secret, CONTEXT);
  if (thing instanceof OlmSession) return own.sealSession(provider, thing, secret, CONTEXT);
  if (thing instanceof MegolmOutboundSession) return own.sealOutboundGroup(provider, thing, secret, CONTEXT);
  return own.sealInboundGroup(provider, thing, secret, CONTEXT);
};

const pickled = (provider: CryptoProvider, thing: Thing, key: string): string => {
  const secret = bytes(key);
  if (thing instanceof OlmAccount) return libolm.pickleAccount(provider, thing, secret);
  if (thing instanceof OlmSession) return libolm.pickleSession(provider, thing, secret);
  if (thing instanceof MegolmOutboundSession) return libolm.pickleOutboundGroup(provider, thing, secret);
  return libolm.pickleInboundGroup(provider, thing, secret);
};

const OPEN = {
  account: own.openAccount,
  session: own.openSession,
  group_out: own.openOutboundGroup,
  group_in: own.openInboundGroup,
} as const;

const UNPICKLE = {
  account: libolm.unpickleAccount,
  session: libolm.unpickleSession,
  group_out: libolm.unpickleOutboundGroup,
  group_in: libolm.unpickleInboundGroup,
} as const;

const sasOps = ({ provider }: Shelf): Table => {
  const all = new Map<string, Verification>();
  const find = ({ h }: Fields): Verification => {
    const found = all.get(need(h, "h"));
    if (found === undefined) throw new Refusal("UNSUPPORTED", `no SAS under the handle ${h}`);
    return found;
  };
  const secret = (f: Fields): SasSecret => need(find(f).secret ?? undefined, "their key");
  return {
    sas_new: () => {
      const ours = createSas(provider);
      const h = `s${all.size}`;
      all.set(h, { ours, secret: null });
      return { h, pub: ours.publicKey };
    },
    sas_their: (f) => {
      find(f).secret = find(f).ours.agree(need(f.pub, "pub"));
      return {};
    },
    sas_bytes: (f) => ({
      hex: Buffer.from(secret(f).bytes(need(f.info, "info"), need(f.n, "n"))).toString("hex"),
    }),
    sas_mac: (f) => {
      const method = f.fixed === 1 ? "hkdf-hmac-sha256.v2" : "hkdf-hmac-sha256";
      return { mac: secret(f).mac(method, need(f.input, "input"), need(f.info, "info")) };
    },
  };
};

const stateOps = ({ provider, keep, drop, any }: Shelf): Table => ({
  hello: () => ({
    name: "ours",
    version: provider.name,
    caps: [
      ...KINDS.flatMap((kind) => [`pickle:${kind}`, `unpickle:${kind}`]),
      "own_pickle",
      "matches",
      "sas",
    ],
  }),
  pickle: (f) => {
    const [thing, key] = [any(f), need(f.key, "key")];
    if (f.format === "own") return { pickle: Buffer.from(sealed(provider, thing, key)).toString("base64") };
    return { pickle: pickled(provider, thing, key) };
  },
  unpickle: (f) => {
    const [kind, pickle, key] = [need(f.kind, "kind"), need(f.pickle, "pickle"), need(f.key, "key")];
    if (f.format !== "own") return { h: keep(UNPICKLE[kind](provider, pickle, bytes(key))) };
    return { h: keep(OPEN[kind](provider, Buffer.from(pickle, "base64"), ownKey(provider, key), CONTEXT)) };
  },
  free: (f) => {
    drop(need(f.h, "h"));
    return {};
  },
});

/** Our library as an oracle over `provider`. */
export const oursOver = (provider: CryptoProvider): Handler => {
  const things = shelf(provider);
  const table: Table = {
    ...accountOps(things),
    ...sessionOps(things),
    ...groupOps(things),
    ...sasOps(things),
    ...stateOps(things),
  };
  return (op, fields) => {
    const run = table[op];
    if (run === undefined) throw new Refusal("UNSUPPORTED", `ours has no ${op}`);
    try {
      return run(fields);
    } catch (error) {
      if (error instanceof CryptoError) throw new Refusal(error.code, error.message);
      throw error;
    }
  };
};

if (import.meta.main) serve(oursOver(process.argv[2] === "noble" ? nobleProvider : nodeProvider));
