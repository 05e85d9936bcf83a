// A real Synapse logs every device of the account out while the agent process runs: its drivers go on, it logs in again with the configured password as the
// same device, and nothing that was accepted meanwhile is missing.
import { afterAll, beforeAll, expect, it } from "vitest";
import type { RealServer } from "#scripts/servers/types.ts";
import { startSynapse, synapseAvailable } from "#scripts/synapse.ts";
import { call, list, text } from "#test/peers/http.ts";
import { needs } from "#test/support/peers.ts";
import { eventually, makeSite, online, type Site } from "./site.ts";

const YAML = `drivers: { sim: { type: simulator } }
delivery: { batch: { max_age: 200ms, max_count: 50 } }
`;

const CLIENT = "/_matrix/client/v3";

/** Devices of the account, asked for with a login of its own, which is among them. */
const devices = async ({ device, server }: Site): Promise<string[]> => {
  const identifier = { type: "m.id.user", user: device.userId };
  const body = { type: "m.login.password", identifier, password: device.password, device_id: "WITNESS" };
  const login = await call(server.url, "POST", `${CLIENT}/login`, { body });
  const token = text(login.json, "access_token");
  const { json } = await call(server.url, "GET", `${CLIENT}/devices`, { token });
  return list(json, "devices").map((entry) => text(entry, "device_id"));
};

const petrels = (all: readonly string[]): string[] => all.filter((id) => id.startsWith("PETREL"));

needs("synapse", synapseAvailable(), () => {
  let server: RealServer;
  beforeAll(async () => {
    server = await startSynapse({ liftLimits: true });
  });
  afterAll(() => server.stop());

  it("logs in again as the same device and loses nothing", { timeout: 120_000 }, async () => {
    const site = await makeSite({ server, plain: true, yaml: YAML });
    const agent = site.start();
    await online(site);
    await eventually("readings", async () => (await site.readings()).length > 0);
    const before = petrels(await devices(site));
    const token = site.device.accessToken;
    await call(server.url, "POST", `${CLIENT}/logout/all`, { token, body: {} });
    const then = (await site.readings()).length;
    await eventually("readings after the logout", async () => (await site.readings()).length > then + 5);
    expect(agent.isAlive()).toBe(true);
    expect(petrels(await devices(site))).toEqual(before);
    const numbers = (await site.readings()).map(({ seq }) => seq);
    expect(numbers).toEqual(numbers.map((_, index) => index));
    await agent.stop();
  });
});
