// The whole differential campaign: ours against another implementation, as sender and as receiver, Olm and Megolm.
//   node scripts/differential.ts [--peer libolm|vodozemac|goolm] [--count 100000] [--seed N] [--first 0] [--provider node|noble]
// `--first N --count 1` replays schedule N alone. Exits with 1 at the first difference that no rule decides.
import { parseArgs } from "node:util";
import { nobleProvider } from "#crypto/provider/noble.ts";
import { nodeProvider } from "#crypto/provider/node.ts";
import { runCampaign } from "#test/crypto/differential/campaign.ts";
import { implementation, type Tally } from "#test/crypto/differential/party.ts";
import { goolm, libolm, type Peer, vodozemac } from "#test/peers/olm/peers.ts";
import { localOracle } from "#test/peers/olm/protocol.ts";
import { oursOver } from "./olm-oracle.ts";

const SLOTS = 48;
const PROGRESS_MS = 1_000;

const { values } = parseArgs({
  options: {
    peer: { type: "string", default: "libolm" },
    count: { type: "string", default: "100000" },
    seed: { type: "string", default: String(Date.now() % 2 ** 31) },
    first: { type: "string", default: "0" },
    provider: { type: "string", default: "node" },
  },
});

const peerOf = (name: string): Peer => {
  const peer = { libolm, vodozemac, goolm }[name];
  if (peer === undefined) throw new RangeError(`no peer "${name}": libolm, vodozemac or goolm`);
  if (peer === null) throw new Error(`${name} is not installed: node test/peers/olm/install.ts ${name}`);
  return peer;
};

const describe = ({ runs, deliveries, refusals, moves, decided }: Tally): string =>
  [
    `${runs} runs, ${deliveries} deliveries, ${refusals} refusals, ${moves} moves through a pickle`,
    ...[...decided].map(([rule, times]) => `  decided differently, ${times} times: ${rule}`),
  ].join("\n");

const oracle = peerOf(values.peer).start();
const provider = values.provider === "noble" ? nobleProvider : nodeProvider;
const ours = await implementation(localOracle("ours", oursOver(provider)));
const theirs = await implementation(oracle);
const [count, seed, first] = [Number(values.count), Number(values.seed), Number(values.first)];
const start = Date.now();
let shown = start;
const progress = (done: number, { deliveries }: Tally): void => {
  if (Date.now() - shown < PROGRESS_MS) return;
  shown = Date.now();
  const seconds = (shown - start) / 1_000;
  const left = Math.round((seconds / done) * (count - done));
  process.stderr.write(`\r${done} of ${count} schedules, ${deliveries} deliveries, ${left} s left    `);
};
try {
  const tally = await runCampaign(ours, theirs, {
    seed,
    first,
    count,
    slots: Math.min(SLOTS, count),
    progress,
  });
  const took = Math.round((Date.now() - start) / 1_000);
  console.log(
    `\nours (${provider.name}) and ${values.peer}: ${count} schedules from ${first}, seed ${seed}, ${took} s, no undecided difference`,
  );
  console.log(describe(tally));
} finally {
  await oracle.close();
}
