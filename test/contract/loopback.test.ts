// The contract against the loopback homeserver, in each profile.

import { startHomeserver } from "#test/homeserver/homeserver.ts";
import type { ProfileName } from "#test/homeserver/profile.ts";
import { type ContractServer, runContract } from "./contract.ts";
import { rows } from "./rows.ts";

const start = (profile: ProfileName) => (): Promise<ContractServer> =>
  startHomeserver({ profile, rateLimits: "default", limitLogins: false });

for (const profile of ["synapse", "dendrite", "conduit"] as const) runContract(profile, start(profile), rows);
