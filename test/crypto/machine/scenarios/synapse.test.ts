// The same scenarios on a real Synapse.
import { afterAll, beforeAll, vi } from "vitest";
import type { RealServer } from "#scripts/servers/types.ts";
import { startSynapse, synapseAvailable } from "#scripts/synapse.ts";
import { needs } from "#test/support/peers.ts";
import { runScenarios } from "./plain.ts";

const FREE = { per_second: 10_000, burst_count: 10_000 };

// Many round trips each, on a machine that may be four times slower and busy.
vi.setConfig({ testTimeout: 120_000 });

needs("synapse", synapseAvailable(), () => {
  let server: RealServer;
  beforeAll(async () => {
    server = await startSynapse({
      config: {
        rc_message: FREE,
        rc_registration: FREE,
        rc_joins: { local: FREE, remote: FREE },
        rc_invites: { per_room: FREE, per_user: FREE, per_issuer: FREE },
        rc_login: { address: FREE, account: FREE, failed_attempts: FREE },
      },
    });
  }, 240_000);
  afterAll(() => server.stop());
  runScenarios(() => server);
});
