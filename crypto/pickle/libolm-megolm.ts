// libolm's Megolm sessions.
//
//   outbound, version 1: | ratchet 128 | index 4 | Ed25519 pair 96 |
//   inbound, version 2:  | earliest: ratchet 128, index 4 | latest: ratchet 128, index 4 | Ed25519 public key 32 | verified 1 |
//
// Inbound version 1 ends before "verified": then every session was verified when it came in.
import { CryptoError } from "../errors.ts";
import type { InboundState } from "../megolm/inbound.ts";
import type { OutboundState } from "../megolm/outbound.ts";
import { type MegolmRatchet, RATCHET_BYTES } from "../megolm/ratchet.ts";
import type { CryptoProvider } from "../provider.ts";
import type { BinaryReader, BinaryWriter } from "./binary.ts";
import { readEd25519, writeEd25519 } from "./libolm-keys.ts";

export const OUTBOUND_VERSION = 1;
export const INBOUND_VERSION = 2;
export const INBOUND_VERSIONS: readonly number[] = [2, 1];

export function writeOutbound(provider: CryptoProvider, writer: BinaryWriter, state: OutboundState): void {
  if (!state.ratchet) {
    throw new CryptoError(
      "UNSUPPORTED",
      "libolm outbound group session: no message index is left; rotate instead",
    );
  }
  writeRatchet(writer, state.ratchet);
  writeEd25519(provider, writer, state.signingKey);
}

export function readOutbound(provider: CryptoProvider, reader: BinaryReader): OutboundState {
  return { ratchet: readRatchet(reader), signingKey: readEd25519(provider, reader) };
}

export function writeInbound(writer: BinaryWriter, state: InboundState): void {
  writeRatchet(writer, state.earliest);
  writeRatchet(writer, state.latest);
  writer.bytes(state.signingKey.bytes).bool(state.signingKeyVerified);
}

export function readInbound(provider: CryptoProvider, reader: BinaryReader, version: number): InboundState {
  const earliest = readRatchet(reader);
  const latest = readRatchet(reader);
  if (latest.index < earliest.index)
    throw reader.fault("expected the latest index not to be before the earliest");
  const signingKey = provider.importEd25519Public(reader.bytes(32));
  return { earliest, latest, signingKey, signingKeyVerified: version === 1 || reader.bool() };
}

function writeRatchet(writer: BinaryWriter, ratchet: MegolmRatchet): void {
  writer.bytes(ratchet.bytes).uint32(ratchet.index);
}

function readRatchet(reader: BinaryReader): MegolmRatchet {
  return { bytes: reader.bytes(RATCHET_BYTES), index: reader.uint32() };
}
