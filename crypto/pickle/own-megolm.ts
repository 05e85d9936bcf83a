// The bodies of our pickled Megolm sessions:
//
//   outbound: | an index is left 1 | ratchet 132 or none | Ed25519 pair |
//   inbound:  | earliest ratchet 132 | latest ratchet 132 | Ed25519 public key 32 | verified 1 |
//   ratchet:  | parts 128 | index 4 |
import type { InboundState } from "../megolm/inbound.ts";
import type { OutboundState } from "../megolm/outbound.ts";
import { type MegolmRatchet, RATCHET_BYTES } from "../megolm/ratchet.ts";
import type { CryptoProvider } from "../provider.ts";
import type { BinaryReader, BinaryWriter } from "./binary.ts";
import { readEd25519, writeEd25519 } from "./own-keys.ts";

export function writeOutbound(writer: BinaryWriter, state: OutboundState): void {
  writer.bool(state.ratchet !== null);
  if (state.ratchet) writeRatchet(writer, state.ratchet);
  writeEd25519(writer, state.signingKey);
}

export function readOutbound(provider: CryptoProvider, reader: BinaryReader): OutboundState {
  return { ratchet: reader.bool() ? readRatchet(reader) : null, signingKey: readEd25519(provider, reader) };
}

export function writeInbound(writer: BinaryWriter, state: InboundState): void {
  writeRatchet(writer, state.earliest);
  writeRatchet(writer, state.latest);
  writer.bytes(state.signingKey.bytes).bool(state.signingKeyVerified);
}

export function readInbound(provider: CryptoProvider, reader: BinaryReader): InboundState {
  const earliest = readRatchet(reader);
  const latest = readRatchet(reader);
  if (latest.index < earliest.index)
    throw reader.fault("expected the latest index not to be before the earliest");
  const signingKey = provider.importEd25519Public(reader.bytes(32), "unchecked");
  return { earliest, latest, signingKey, signingKeyVerified: reader.bool() };
}

function writeRatchet(writer: BinaryWriter, ratchet: MegolmRatchet): void {
  writer.bytes(ratchet.bytes).uint32(ratchet.index);
}

function readRatchet(reader: BinaryReader): MegolmRatchet {
  return { bytes: reader.bytes(RATCHET_BYTES), index: reader.uint32() };
}
