// The contract against a real Dendrite, with its own rate limits.
import { dendriteAvailable, startDendrite } from "#scripts/dendrite.ts";
import { needs } from "#test/support/peers.ts";
import { type ContractServer, runContract } from "./contract.ts";
import { rows } from "./rows.ts";

/** Lifting a limit would make an admin here, and admins differ in more than that: users stay ordinary. */
const start = async (): Promise<ContractServer> => {
  const server = await startDendrite();
  return { ...server, addUser: (name) => server.addUser(name) };
};

needs("dendrite", dendriteAvailable(), () => runContract("dendrite", start, rows));
