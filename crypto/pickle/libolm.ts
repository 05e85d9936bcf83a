// Pickles of libolm, for coming from another implementation and for going to one: Account 4 (2 and 3 are read), Session 1,
// OutboundGroupSession 1, InboundGroupSession 2 (1 is read), PkDecryption 1. The layouts are in the files beside this one.
import { MegolmInboundSession } from "../megolm/inbound.ts";
import { MegolmOutboundSession } from "../megolm/outbound.ts";
import { OlmAccount } from "../olm/account.ts";
import { OlmSession } from "../olm/session.ts";
import type { CryptoProvider, X25519KeyPair } from "../provider.ts";
import { ACCOUNT_VERSION, ACCOUNT_VERSIONS, readAccount, writeAccount } from "./libolm-account.ts";
import { decryptPickle, encryptPickle } from "./libolm-cipher.ts";
import { readX25519, writeX25519 } from "./libolm-keys.ts";
import {
  INBOUND_VERSION,
  INBOUND_VERSIONS,
  OUTBOUND_VERSION,
  readInbound,
  readOutbound,
  writeInbound,
  writeOutbound,
} from "./libolm-megolm.ts";
import { readSession, SESSION_VERSION, writeSession } from "./libolm-session.ts";

const PK_DECRYPTION_VERSION = 1;

/** @throws CryptoError UNSUPPORTED when a key ID does not fit libolm's 32 bits */
export function pickleAccount(provider: CryptoProvider, account: OlmAccount, key: Uint8Array): string {
  return encryptPickle(provider, key, ACCOUNT_VERSION, (writer) =>
    writeAccount(provider, writer, account.exportState()),
  );
}

/** @throws CryptoError BASE64, FORMAT, MAC, PADDING, VERSION; so do the others */
export function unpickleAccount(provider: CryptoProvider, pickle: string, key: Uint8Array): OlmAccount {
  return decryptPickle(
    provider,
    key,
    pickle,
    ACCOUNT_VERSIONS,
    (reader, version) => new OlmAccount(provider, readAccount(provider, reader, version)),
  );
}

/** Of the skipped message keys only the newest 40 go along, as libolm keeps no more. */
export function pickleSession(provider: CryptoProvider, session: OlmSession, key: Uint8Array): string {
  return encryptPickle(provider, key, SESSION_VERSION, (writer) =>
    writeSession(writer, session.exportState()),
  );
}

export function unpickleSession(provider: CryptoProvider, pickle: string, key: Uint8Array): OlmSession {
  return decryptPickle(
    provider,
    key,
    pickle,
    [SESSION_VERSION],
    (reader) => new OlmSession(provider, readSession(provider, reader)),
  );
}

/** @throws CryptoError UNSUPPORTED when no index is left: libolm would begin anew with 0 */
export function pickleOutboundGroup(
  provider: CryptoProvider,
  session: MegolmOutboundSession,
  key: Uint8Array,
): string {
  return encryptPickle(provider, key, OUTBOUND_VERSION, (writer) =>
    writeOutbound(provider, writer, session.exportState()),
  );
}

export function unpickleOutboundGroup(
  provider: CryptoProvider,
  pickle: string,
  key: Uint8Array,
): MegolmOutboundSession {
  return decryptPickle(
    provider,
    key,
    pickle,
    [OUTBOUND_VERSION],
    (reader) => new MegolmOutboundSession(provider, readOutbound(provider, reader)),
  );
}

export function pickleInboundGroup(
  provider: CryptoProvider,
  session: MegolmInboundSession,
  key: Uint8Array,
): string {
  return encryptPickle(provider, key, INBOUND_VERSION, (writer) =>
    writeInbound(writer, session.exportState()),
  );
}

export function unpickleInboundGroup(
  provider: CryptoProvider,
  pickle: string,
  key: Uint8Array,
): MegolmInboundSession {
  return decryptPickle(
    provider,
    key,
    pickle,
    INBOUND_VERSIONS,
    (reader, version) => new MegolmInboundSession(provider, readInbound(provider, reader, version)),
  );
}

/** The key pair of a PkDecryption. */
export function picklePkDecryption(provider: CryptoProvider, pair: X25519KeyPair, key: Uint8Array): string {
  return encryptPickle(provider, key, PK_DECRYPTION_VERSION, (writer) => writeX25519(writer, pair));
}

export function unpicklePkDecryption(
  provider: CryptoProvider,
  pickle: string,
  key: Uint8Array,
): X25519KeyPair {
  return decryptPickle(provider, key, pickle, [PK_DECRYPTION_VERSION], (reader) =>
    readX25519(provider, reader),
  );
}
