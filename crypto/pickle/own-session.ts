// The body of our pickled Olm session:
//
//   | Alice's identity key 32 | Alice's base key 32 | Bob's one-time key 32 | root key 32 | active 1 |
//   active:   | ratchet pair 64 | chain |          inactive: | their ratchet key 32 |
//   | count 1 | receiver chains, newest first: | ratchet key 32 | chain | count 1 | skipped keys, oldest first: chain each |
//   chain: | key 32 | index 8 |                    a chain that used up its 2^32 indexes stands at 2^32
import type { ChainKey } from "../olm/chain-key.ts";
import type { DoubleRatchet } from "../olm/double-ratchet.ts";
import { CHAIN_INDEX_MAX, RECEIVER_CHAINS_MAX, SKIPPED_KEYS_PER_CHAIN_MAX } from "../olm/limits.ts";
import type { ReceiverChain } from "../olm/receiver-chain.ts";
import type { SessionState } from "../olm/session.ts";
import type { CryptoProvider } from "../provider.ts";
import type { BinaryReader, BinaryWriter } from "./binary.ts";
import { readX25519, writeX25519 } from "./own-keys.ts";

const KEY_BYTES = 32;

export function writeSession(writer: BinaryWriter, state: SessionState): void {
  const { keys, ratchet, receiverChains } = state;
  writer.bytes(keys.identityKey).bytes(keys.baseKey).bytes(keys.oneTimeKey);
  writeRatchet(writer, ratchet);
  writer.uint8(receiverChains.length);
  for (const { ratchetKey, chain, skipped } of receiverChains) {
    writeChain(writer.bytes(ratchetKey), chain);
    writer.uint8(skipped.length);
    for (const key of skipped) writeChain(writer, key);
  }
}

export function readSession(provider: CryptoProvider, reader: BinaryReader): SessionState {
  return {
    keys: {
      identityKey: reader.bytes(KEY_BYTES),
      baseKey: reader.bytes(KEY_BYTES),
      oneTimeKey: reader.bytes(KEY_BYTES),
    },
    ratchet: readRatchet(provider, reader),
    receiverChains: reader.list(reader.uint8(), RECEIVER_CHAINS_MAX, () => readReceiverChain(reader)),
  };
}

function writeRatchet(writer: BinaryWriter, ratchet: DoubleRatchet): void {
  writer.bytes(ratchet.rootKey).bool(ratchet.kind === "active");
  if (ratchet.kind === "inactive") {
    writer.bytes(ratchet.theirRatchetKey);
    return;
  }
  writeX25519(writer, ratchet.ratchetKey);
  writeChain(writer, ratchet.chain);
}

function readRatchet(provider: CryptoProvider, reader: BinaryReader): DoubleRatchet {
  const rootKey = reader.bytes(KEY_BYTES);
  if (!reader.bool()) return { kind: "inactive", rootKey, theirRatchetKey: reader.bytes(KEY_BYTES) };
  return { kind: "active", rootKey, ratchetKey: readX25519(provider, reader), chain: readChain(reader) };
}

function readReceiverChain(reader: BinaryReader): ReceiverChain {
  return {
    ratchetKey: reader.bytes(KEY_BYTES),
    chain: readChain(reader),
    skipped: reader.list(reader.uint8(), SKIPPED_KEYS_PER_CHAIN_MAX, () => readChain(reader)),
  };
}

function writeChain(writer: BinaryWriter, chain: ChainKey): void {
  writer.bytes(chain.key).uint64(chain.index);
}

function readChain(reader: BinaryReader): ChainKey {
  return { key: reader.bytes(KEY_BYTES), index: reader.uint64(CHAIN_INDEX_MAX + 1) };
}
