// libolm 3.2.15 (WebAssembly, `@matrix-org/olm`) behind the oracle protocol. Runs as a child: libolm registers
// an uncaughtException handler of its own in whatever process loads it.
import Olm from "@matrix-org/olm";
import {
  type Code,
  type Fields,
  type Handler,
  need,
  type ObjectKind,
  type Op,
  Refusal,
  type Result,
  serve,
} from "./protocol.ts";

type Pickled = { pickle(key: string): string; unpickle(key: string, pickle: string): void; free(): void };
type Thing = Olm.Account | Olm.Session | Olm.OutboundGroupSession | Olm.InboundGroupSession | Olm.SAS;

// The names libolm gives its errors (`OLM.` in front), and what the protocol calls them.
const CODE_OF: Record<string, Code> = {
  INVALID_BASE64: "BASE64",
  BAD_MESSAGE_FORMAT: "FORMAT",
  BAD_MESSAGE_VERSION: "VERSION",
  BAD_MESSAGE_MAC: "MAC",
  BAD_SIGNATURE: "SIGNATURE",
  BAD_MESSAGE_KEY_ID: "KEY_ID",
  UNKNOWN_MESSAGE_INDEX: "UNKNOWN_INDEX",
  BAD_SESSION_KEY: "FORMAT",
  UNKNOWN_PICKLE_VERSION: "VERSION",
};

// The classes exist only after this.
await Olm.init();

const things = new Map<string, Thing>();
let made = 0;

const keep = (thing: Thing): string => {
  const h = `l${made++}`;
  things.set(h, thing);
  return h;
};

const pick = <T extends Thing>(kind: new () => T, h: string | undefined): T => {
  const thing = things.get(need(h, "h"));
  if (!(thing instanceof kind)) throw new Refusal("UNSUPPORTED", `no ${kind.name} under the handle ${h}`);
  return thing;
};

/** Makes a thing, and frees it where `fill` refuses: nothing is kept on an error. */
const make = <T extends Thing>(kind: new () => T, fill: (thing: T) => void): T => {
  const thing = new kind();
  try {
    fill(thing);
  } catch (error) {
    thing.free();
    throw error;
  }
  return thing;
};

const KINDS: Record<ObjectKind, new () => Thing & Pickled> = {
  account: Olm.Account,
  session: Olm.Session,
  group_out: Olm.OutboundGroupSession,
  group_in: Olm.InboundGroupSession,
};

const utility = (): Olm.Utility => new Olm.Utility();

// libolm gives its public keys as JSON text: {"curve25519": {id: key}}.
const keysOf = (json: string): [string, string][] =>
  Object.entries((JSON.parse(json) as { curve25519: Record<string, string> }).curve25519);

const account: Partial<Record<Op, (f: Fields) => Result>> = {
  account_new: () => ({ h: keep(make(Olm.Account, (a) => a.create())) }),
  // {"curve25519": key, "ed25519": key}
  identity_keys: (f) => JSON.parse(pick(Olm.Account, f.h).identity_keys()) as Result,
  one_time_keys: (f) => {
    const a = pick(Olm.Account, f.h);
    a.generate_one_time_keys(need(f.n, "n"));
    return { keys: keysOf(a.one_time_keys()) };
  },
  mark_published: (f) => {
    pick(Olm.Account, f.h).mark_keys_as_published();
    return {};
  },
  fallback: (f) => {
    const a = pick(Olm.Account, f.h);
    a.generate_fallback_key();
    return { keys: keysOf(a.unpublished_fallback_key()) };
  },
  sign: (f) => ({ sig: pick(Olm.Account, f.h).sign(need(f.msg, "msg")) }),
  verify: (f) => {
    const u = utility();
    try {
      u.ed25519_verify(need(f.pub, "pub"), need(f.msg, "msg"), need(f.sig, "sig"));
    } finally {
      u.free();
    }
    return {};
  },
};

const inbound = (f: Fields): Result => {
  const a = pick(Olm.Account, f.h);
  const body = need(f.body, "body");
  let pt = "";
  const s = make(Olm.Session, (session) => {
    session.create_inbound_from(a, need(f.their_identity, "their_identity"), body);
    pt = session.decrypt(0, body);
  });
  // A fallback key is not in the list: libolm says BAD_MESSAGE_KEY_ID then, and that is no failure.
  try {
    a.remove_one_time_keys(s);
  } catch (error) {
    if (!String(error).includes("BAD_MESSAGE_KEY_ID")) throw error;
  }
  return { h: keep(s), session_id: s.session_id(), pt };
};

const session: Partial<Record<Op, (f: Fields) => Result>> = {
  session_outbound: (f) => {
    const a = pick(Olm.Account, f.h);
    const s = make(Olm.Session, (fresh) =>
      fresh.create_outbound(a, need(f.their_identity, "their_identity"), need(f.their_otk, "their_otk")),
    );
    return { h: keep(s), session_id: s.session_id() };
  },
  session_inbound: inbound,
  session_id: (f) => ({ session_id: pick(Olm.Session, f.h).session_id() }),
  session_matches: (f) => ({ matches: pick(Olm.Session, f.h).matches_inbound(need(f.body, "body")) }),
  encrypt: (f) => pick(Olm.Session, f.h).encrypt(need(f.pt, "pt")),
  decrypt: (f) => ({ pt: pick(Olm.Session, f.h).decrypt(need(f.type, "type"), need(f.body, "body")) }),
};

const groupIn = (fill: (thing: Olm.InboundGroupSession) => void): Result => {
  const s = make(Olm.InboundGroupSession, fill);
  return { h: keep(s), session_id: s.session_id(), first_known_index: s.first_known_index() >>> 0 };
};

const group: Partial<Record<Op, (f: Fields) => Result>> = {
  group_outbound_new: () => {
    const s = make(Olm.OutboundGroupSession, (fresh) => fresh.create());
    return { h: keep(s), session_id: s.session_id() };
  },
  group_session_key: (f) => {
    const s = pick(Olm.OutboundGroupSession, f.h);
    return { key: s.session_key(), index: s.message_index() >>> 0 };
  },
  group_encrypt: (f) => ({ body: pick(Olm.OutboundGroupSession, f.h).encrypt(need(f.pt, "pt")) }),
  group_inbound: (f) => groupIn((s) => s.create(need(f.key, "key"))),
  group_import: (f) => groupIn((s) => s.import_session(need(f.key, "key"))),
  group_decrypt: (f) => {
    const { plaintext, message_index } = pick(Olm.InboundGroupSession, f.h).decrypt(need(f.body, "body"));
    return { pt: plaintext, index: message_index >>> 0 };
  },
  group_export: (f) => ({
    key: pick(Olm.InboundGroupSession, f.h).export_session(need(f.index, "index")),
  }),
};

const sas: Partial<Record<Op, (f: Fields) => Result>> = {
  sas_new: () => {
    const s = new Olm.SAS();
    return { h: keep(s), pub: s.get_pubkey() };
  },
  sas_their: (f) => {
    pick(Olm.SAS, f.h).set_their_key(need(f.pub, "pub"));
    return {};
  },
  sas_bytes: (f) => ({
    hex: Buffer.from(pick(Olm.SAS, f.h).generate_bytes(need(f.info, "info"), need(f.n, "n"))).toString("hex"),
  }),
  sas_mac: (f) => {
    const s = pick(Olm.SAS, f.h);
    const [input, info] = [need(f.input, "input"), need(f.info, "info")];
    return { mac: f.fixed === 1 ? s.calculate_mac_fixed_base64(input, info) : s.calculate_mac(input, info) };
  },
};

const state: Partial<Record<Op, (f: Fields) => Result>> = {
  hello: () => ({
    name: "libolm",
    version: Olm.get_library_version().join("."),
    caps: [...Object.keys(KINDS).flatMap((kind) => [`pickle:${kind}`, `unpickle:${kind}`]), "matches", "sas"],
  }),
  pickle: (f) => {
    const thing = things.get(need(f.h, "h"));
    if (thing === undefined || thing instanceof Olm.SAS)
      throw new Refusal("UNSUPPORTED", "nothing to pickle");
    return { pickle: thing.pickle(need(f.key, "key")) };
  },
  unpickle: (f) => {
    const kind = KINDS[need(f.kind, "kind")];
    return { h: keep(make(kind, (t) => t.unpickle(need(f.key, "key"), need(f.pickle, "pickle")))) };
  },
  free: (f) => {
    things.get(need(f.h, "h"))?.free();
    things.delete(need(f.h, "h"));
    return {};
  },
};

const TABLE: Partial<Record<Op, (f: Fields) => Result>> = {
  ...account,
  ...session,
  ...group,
  ...sas,
  ...state,
};

const handler: Handler = (op, fields) => {
  const run = TABLE[op];
  if (run === undefined) throw new Refusal("UNSUPPORTED", `libolm has no ${op}`);
  try {
    return run(fields);
  } catch (error) {
    if (error instanceof Refusal) throw error;
    const message = error instanceof Error ? error.message : String(error);
    throw new Refusal(CODE_OF[message.replace(/^OLM\./, "")] ?? "FORMAT", message);
  }
};

serve(handler);
