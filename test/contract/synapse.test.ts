// The contract against a real Synapse, with its own rate limits but for logins.
import { startSynapse, synapseAvailable } from "#scripts/synapse.ts";
import { needs } from "#test/support/peers.ts";
import { type ContractServer, runContract } from "./contract.ts";
import { rows } from "./rows.ts";

const FREE = { per_second: 10_000, burst_count: 10_000 };

const start = (): Promise<ContractServer> =>
  startSynapse({ config: { rc_login: { address: FREE, account: FREE, failed_attempts: FREE } } });

needs("synapse", synapseAvailable(), () => runContract("synapse", start, rows));
