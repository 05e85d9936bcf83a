// libolm's Olm session, version 1:
//
//   | received 1 | Alice's identity key 32 | Alice's base key 32 | Bob's one-time key 32 | root key 32 |
//   | count 4 | sender chain:    ratchet pair 64, chain key 32, index 4 |         none or one: none while inactive
//   | count 4 | receiver chains: ratchet key 32, chain key 32, index 4  |         newest first
//   | count 4 | skipped keys:    ratchet key 32, message key 32, index 4 |        of all chains, newest first
//
// "Received" is not used: it follows from the receiver chains, for libolm too once it has decrypted the message that began a session.
import { CryptoError } from "../errors.ts";
import type { ChainKey } from "../olm/chain-key.ts";
import type { DoubleRatchet } from "../olm/double-ratchet.ts";
import { CHAIN_INDEX_MAX, RECEIVER_CHAINS_MAX, SKIPPED_KEYS_PER_CHAIN_MAX } from "../olm/limits.ts";
import type { ReceiverChain, SkippedKey } from "../olm/receiver-chain.ts";
import type { SessionState } from "../olm/session.ts";
import type { CryptoProvider } from "../provider.ts";
import type { BinaryReader, BinaryWriter } from "./binary.ts";
import { readX25519, writeX25519 } from "./libolm-keys.ts";
import { LIBOLM_SKIPPED_KEYS_MAX, SESSION_LIST_READ_MAX } from "./limits.ts";

export const SESSION_VERSION = 1;
const KEY_BYTES = 32;

export function writeSession(writer: BinaryWriter, state: SessionState): void {
  const { keys, ratchet, receiverChains } = state;
  writer.bool(receiverChains.length > 0);
  writer.bytes(keys.identityKey).bytes(keys.baseKey).bytes(keys.oneTimeKey).bytes(ratchet.rootKey);
  writer.uint32(ratchet.kind === "active" ? 1 : 0);
  if (ratchet.kind === "active") {
    writeX25519(writer, ratchet.ratchetKey);
    writeChain(writer, ratchet.chain);
  }
  writer.uint32(receiverChains.length);
  for (const { ratchetKey, chain } of receiverChains) writeChain(writer.bytes(ratchetKey), chain);
  // libolm drops from the end of its list: in another order it would drop the newest.
  const skipped = receiverChains.flatMap((chain) =>
    chain.skipped.toReversed().map((key) => ({ chain, key })),
  );
  const kept = skipped.slice(0, LIBOLM_SKIPPED_KEYS_MAX);
  writer.uint32(kept.length);
  for (const { chain, key } of kept) writeChain(writer.bytes(chain.ratchetKey), key);
}

export function readSession(provider: CryptoProvider, reader: BinaryReader): SessionState {
  reader.bool();
  const keys = {
    identityKey: reader.bytes(KEY_BYTES),
    baseKey: reader.bytes(KEY_BYTES),
    oneTimeKey: reader.bytes(KEY_BYTES),
  };
  const rootKey = reader.bytes(KEY_BYTES);
  const [sender] = reader.list(reader.uint32(), 1, () => ({
    ratchetKey: readX25519(provider, reader),
    chain: readChain(reader),
  }));
  const chains = reader.list(reader.uint32(), SESSION_LIST_READ_MAX, () => ({
    ratchetKey: reader.bytes(KEY_BYTES),
    chain: readChain(reader),
  }));
  const skipped = reader.list(reader.uint32(), SESSION_LIST_READ_MAX, () => ({
    ratchetKey: reader.bytes(KEY_BYTES),
    key: readChain(reader),
  }));
  const ratchet: DoubleRatchet = sender
    ? { kind: "active", rootKey, ...sender }
    : { kind: "inactive", rootKey, theirRatchetKey: newestRatchetKey(reader, chains) };
  const kept = chains.slice(0, RECEIVER_CHAINS_MAX);
  return { keys, ratchet, receiverChains: kept.map((chain) => withSkipped(provider, chain, skipped)) };
}

/** Keys of chains that are gone are left out: no message could name them. Sorted, as goolm writes them in the other order. */
function withSkipped(
  provider: CryptoProvider,
  chain: { readonly ratchetKey: Uint8Array; readonly chain: ChainKey },
  skipped: readonly { readonly ratchetKey: Uint8Array; readonly key: SkippedKey }[],
): ReceiverChain {
  const own = skipped.filter(({ ratchetKey }) => provider.equal(ratchetKey, chain.ratchetKey));
  const inOrder = own.map(({ key }) => key).sort((a, b) => a.index - b.index);
  return { ...chain, skipped: inOrder.slice(-SKIPPED_KEYS_PER_CHAIN_MAX) };
}

function newestRatchetKey(
  reader: BinaryReader,
  chains: readonly { readonly ratchetKey: Uint8Array }[],
): Uint8Array {
  const [newest] = chains;
  if (!newest) throw reader.fault("expected a sender chain or a receiver chain, found neither");
  return newest.ratchetKey;
}

function writeChain(writer: BinaryWriter, chain: ChainKey): void {
  if (chain.index > CHAIN_INDEX_MAX) {
    throw new CryptoError("UNSUPPORTED", `libolm session: chain index ${chain.index} does not fit 32 bits`);
  }
  writer.bytes(chain.key).uint32(chain.index);
}

function readChain(reader: BinaryReader): ChainKey {
  return { key: reader.bytes(KEY_BYTES), index: reader.uint32() };
}
