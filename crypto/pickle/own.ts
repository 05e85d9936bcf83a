// Our own pickles, for the store: every object as bytes, sealed under a 32-byte store key and bound to the place where it lies.
//
//   | version 1 | kind 1 | salt 24 | ChaCha20-Poly1305(body) | tag 16 |
//   HKDF-SHA-256(salt, store key, "petrel pickle", 44) = key 32 || nonce 12; associated data = version || kind || context
//
// The random salt is long enough that no key and nonce ever come twice, however many pickles a device writes in its life
// (a bare random nonce of 12 bytes would not be). The context names the row: a pickle moved to another row, or taken for
// another kind, does not open. What it cannot show is an old pickle put back in its own place: that is the store's to detect.
import { CryptoError } from "../errors.ts";
import { MegolmInboundSession } from "../megolm/inbound.ts";
import { MegolmOutboundSession } from "../megolm/outbound.ts";
import { OlmAccount } from "../olm/account.ts";
import { OlmSession } from "../olm/session.ts";
import type { CryptoProvider } from "../provider.ts";
import { concatBytes, encodeUtf8 } from "../shape.ts";
import { BinaryReader, BinaryWriter } from "./binary.ts";
import { readAccount, writeAccount } from "./own-account.ts";
import { readInbound, readOutbound, writeInbound, writeOutbound } from "./own-megolm.ts";
import { readSession, writeSession } from "./own-session.ts";

const VERSION = 1;
const KINDS = { account: 1, session: 2, "outbound group session": 3, "inbound group session": 4 } as const;
type Kind = keyof typeof KINDS;

const SALT_START = 2;
const SALT_BYTES = 24;
const HEADER_BYTES: number = SALT_START + SALT_BYTES;
const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const INFO: Uint8Array = encodeUtf8("petrel pickle");

/** `key`: 32 bytes, the store's. `context`: whatever names the place, e.g. table and primary key. @throws RangeError for another key length */
export function sealAccount(
  provider: CryptoProvider,
  account: OlmAccount,
  key: Uint8Array,
  context: string,
): Uint8Array {
  return seal(provider, "account", key, context, (writer) => writeAccount(writer, account.exportState()));
}

/** @throws CryptoError VERSION, FORMAT, or MAC (another key, context or kind, or damaged); so do the others */
export function openAccount(
  provider: CryptoProvider,
  sealed: Uint8Array,
  key: Uint8Array,
  context: string,
): OlmAccount {
  const state = open(provider, "account", sealed, key, context, (reader) => readAccount(provider, reader));
  return new OlmAccount(provider, state);
}

export function sealSession(
  provider: CryptoProvider,
  session: OlmSession,
  key: Uint8Array,
  context: string,
): Uint8Array {
  return seal(provider, "session", key, context, (writer) => writeSession(writer, session.exportState()));
}

export function openSession(
  provider: CryptoProvider,
  sealed: Uint8Array,
  key: Uint8Array,
  context: string,
): OlmSession {
  const state = open(provider, "session", sealed, key, context, (reader) => readSession(provider, reader));
  return new OlmSession(provider, state);
}

export function sealOutboundGroup(
  provider: CryptoProvider,
  session: MegolmOutboundSession,
  key: Uint8Array,
  context: string,
): Uint8Array {
  const kind = "outbound group session";
  return seal(provider, kind, key, context, (writer) => writeOutbound(writer, session.exportState()));
}

export function openOutboundGroup(
  provider: CryptoProvider,
  sealed: Uint8Array,
  key: Uint8Array,
  context: string,
): MegolmOutboundSession {
  const kind = "outbound group session";
  const state = open(provider, kind, sealed, key, context, (reader) => readOutbound(provider, reader));
  return new MegolmOutboundSession(provider, state);
}

export function sealInboundGroup(
  provider: CryptoProvider,
  session: MegolmInboundSession,
  key: Uint8Array,
  context: string,
): Uint8Array {
  const kind = "inbound group session";
  return seal(provider, kind, key, context, (writer) => writeInbound(writer, session.exportState()));
}

export function openInboundGroup(
  provider: CryptoProvider,
  sealed: Uint8Array,
  key: Uint8Array,
  context: string,
): MegolmInboundSession {
  const kind = "inbound group session";
  const state = open(provider, kind, sealed, key, context, (reader) => readInbound(provider, reader));
  return new MegolmInboundSession(provider, state);
}

function seal(
  provider: CryptoProvider,
  kind: Kind,
  key: Uint8Array,
  context: string,
  write: (writer: BinaryWriter) => void,
): Uint8Array {
  const writer = new BinaryWriter();
  write(writer);
  const body = writer.finish();
  const header = concatBytes(Uint8Array.of(VERSION, KINDS[kind]), provider.random(SALT_BYTES));
  const sealed = withBox(provider, key, header, context, (boxKey, nonce, associated) =>
    provider.seal(boxKey, nonce, body, associated),
  );
  body.fill(0);
  return concatBytes(header, sealed);
}

function open<State>(
  provider: CryptoProvider,
  kind: Kind,
  sealed: Uint8Array,
  key: Uint8Array,
  context: string,
  read: (reader: BinaryReader) => State,
): State {
  requireHeader(sealed, kind);
  const header = sealed.subarray(0, HEADER_BYTES);
  const body = withBox(provider, key, header, context, (boxKey, nonce, associated) =>
    provider.open(boxKey, nonce, sealed.subarray(HEADER_BYTES), associated),
  );
  try {
    const reader = new BinaryReader(body, `pickled ${kind}`);
    const state = read(reader);
    reader.end();
    return state;
  } finally {
    body.fill(0);
  }
}

function requireHeader(sealed: Uint8Array, kind: Kind): void {
  const [version, foundKind] = sealed;
  if (sealed.length < HEADER_BYTES) {
    throw new CryptoError(
      "FORMAT",
      `pickled ${kind}: expected at least ${HEADER_BYTES} bytes, found ${sealed.length}`,
    );
  }
  if (version !== VERSION) {
    throw new CryptoError("VERSION", `pickled ${kind}: expected version ${VERSION}, found ${version}`);
  }
  if (foundKind !== KINDS[kind]) {
    throw new CryptoError("FORMAT", `pickled ${kind}: expected kind ${KINDS[kind]}, found ${foundKind}`);
  }
}

/** Derives key and nonce for one box, lends them to `use`, and fills them with zeros. */
function withBox(
  provider: CryptoProvider,
  key: Uint8Array,
  header: Uint8Array,
  context: string,
  use: (boxKey: Uint8Array, nonce: Uint8Array, associated: Uint8Array) => Uint8Array,
): Uint8Array {
  if (key.length !== KEY_BYTES)
    throw new RangeError(`store key: expected ${KEY_BYTES} bytes, got ${key.length}`);
  const derived = provider.hkdfSha256(header.subarray(SALT_START), key, INFO, KEY_BYTES + NONCE_BYTES);
  const associated = concatBytes(header.subarray(0, SALT_START), encodeUtf8(context));
  try {
    return use(derived.subarray(0, KEY_BYTES), derived.subarray(KEY_BYTES), associated);
  } finally {
    derived.fill(0);
  }
}
