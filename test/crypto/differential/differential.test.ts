// The differential campaign, shortened: the whole one is `node scripts/differential.ts --count 100000`.
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { nobleProvider } from "#crypto/provider/noble.ts";
import { nodeProvider } from "#crypto/provider/node.ts";
import type { CryptoProvider } from "#crypto/provider.ts";
import { oursOver } from "#scripts/olm-oracle.ts";
import { childOracle } from "#test/peers/olm/client.ts";
import { goolm, libolm, type Peer, vodozemac } from "#test/peers/olm/peers.ts";
import { localOracle, type Oracle } from "#test/peers/olm/protocol.ts";
import { needs } from "#test/support/peers.ts";
import { runCampaign } from "./campaign.ts";
import { ask, type Implementation, implementation } from "./party.ts";

const SEED = 20_261_124;
const SLOTS = 8;
/** A few seconds on an idle machine; one that is shared by many takes much longer. */
const TIMEOUT_MS = 180_000;

const campaign = (peer: Peer, provider: CryptoProvider, count: number): void => {
  let oracle: Oracle;
  let [ours, theirs]: Implementation[] = [];
  beforeAll(async () => {
    oracle = peer.start();
    ours = await implementation(localOracle("ours", oursOver(provider)));
    theirs = await implementation(oracle);
  });
  afterAll(() => oracle.close());

  it(
    `${count} seeded schedules over the ${provider.name} provider differ in nothing but what is decided`,
    async () => {
      if (ours === undefined || theirs === undefined) throw new Error("no implementations");
      const tally = await runCampaign(ours, theirs, { seed: SEED, first: 0, count, slots: SLOTS });
      expect(tally.runs).toBe(count);
      expect(tally.deliveries).toBeGreaterThan(count);
    },
    TIMEOUT_MS,
  );

  it("signatures of each hold for the other", async () => {
    if (ours === undefined || theirs === undefined) throw new Error("no implementations");
    for (const [signer, verifier] of [
      [ours, theirs],
      [theirs, ours],
    ] as const) {
      const { h = "" } = await ask(signer, "account_new", {});
      const { ed25519 = "" } = await ask(signer, "identity_keys", { h });
      const { sig = "" } = await ask(signer, "sign", { h, msg: "petrel ✓" });
      await ask(verifier, "verify", { pub: ed25519, msg: "petrel ✓", sig });
      const other = await verifier.oracle.call("verify", { pub: ed25519, msg: "petrel", sig });
      expect(other.ok).toBe(false);
    }
  });
};

/** Both sides' strings and MACs of one short authentication. */
const sas = (peer: Peer): void => {
  it("agrees with ours on SAS bytes and both kinds of MAC", async () => {
    const oracle = peer.start();
    try {
      const both = [
        await implementation(localOracle("ours", oursOver(nodeProvider))),
        await implementation(oracle),
      ];
      const made = await Promise.all(both.map((who) => ask(who, "sas_new", {})));
      const answers: unknown[] = [];
      for (const [i, who] of both.entries()) {
        const { h = "" } = made[i] ?? {};
        await ask(who, "sas_their", { h, pub: made[1 - i]?.pub ?? "" });
        const { hex, emoji } = await ask(who, "sas_bytes", { h, info: "INFO", n: 6 });
        const macs = [0, 1].map((fixed) => ask(who, "sas_mac", { h, input: "key", info: "MAC", fixed }));
        answers.push([emoji ?? emojiOf(hex ?? ""), (await Promise.all(macs)).map(({ mac }) => mac)]);
      }
      expect(answers[0]).toEqual(answers[1]);
    } finally {
      await oracle.close();
    }
  });
};

/** The first 42 bits in groups of six (specification: SAS method: emoji). */
const emojiOf = (hex: string): number[] => {
  const bits = BigInt(`0x${hex}`);
  return [42n, 36n, 30n, 24n, 18n, 12n, 6n].map((shift) => Number((bits >> shift) & 63n));
};

describe("ours and libolm", () => {
  campaign(libolm, nodeProvider, 240);
  sas(libolm);
});

const SCRIPT = fileURLToPath(import.meta.resolve("#scripts/olm-oracle.ts"));

describe("ours as a process, for others to drive", () =>
  campaign(
    { name: "ours", start: () => childOracle("ours in a child", process.execPath, [SCRIPT]) },
    nodeProvider,
    16,
  ));

describe("ours and libolm, without node:crypto", () => campaign(libolm, nobleProvider, 24));

needs<Peer>("vodozemac", vodozemac, (peer) => {
  campaign(peer, nodeProvider, 100);
  sas(peer);
});

needs<Peer>("goolm", goolm, (peer) => campaign(peer, nodeProvider, 100));
