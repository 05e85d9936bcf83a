// Last wills on a real Synapse (MSC4140 as it ships it): an agent process that is killed with -9 is declared dead by the server; started again, its birth is
// newer, and no old death wins.
import { afterAll, beforeAll, expect, it } from "vitest";
import { laterStatus, parseStatus, type Status } from "#agent/liveness/status-event.ts";
import type { RealServer } from "#scripts/servers/types.ts";
import { startSynapse, synapseAvailable } from "#scripts/synapse.ts";
import { readRoom, readType, text } from "#test/peers/http.ts";
import { needs } from "#test/support/peers.ts";
import { eventually, makeSite, type Site } from "./site.ts";

const YAML = `drivers: { sim: { type: simulator } }
delivery: { batch: { max_age: 200ms, max_count: 50 } }
`;

const statuses = async ({ operator, rooms, server }: Site): Promise<Status[]> =>
  (await readType(server.url, operator.accessToken, rooms.data, "dev.petrel.status"))
    .map(({ content }) => parseStatus(content))
    .filter((status) => status !== null);

const held = async (site: Site): Promise<Status | null> =>
  (await statuses(site)).reduce<Status | null>(laterStatus, null);

needs("synapse", synapseAvailable(), () => {
  let server: RealServer;
  beforeAll(async () => {
    server = await startSynapse({ liftLimits: true });
  });
  afterAll(() => server.stop());

  it("tells of a killed agent's death, and of its return", { timeout: 120_000 }, async () => {
    const site = await makeSite({
      server,
      plain: true,
      yaml: YAML,
      liveness: "{ interval: 500ms, timeout: 4s }",
    });
    const first = site.start();
    await eventually("the birth", async () => (await held(site))?.kind === "birth");
    await eventually("the wills", () => site.scheduled().then((count) => count === 2));
    await first.kill();
    await eventually("the death", async () => (await held(site))?.kind === "death");
    expect(await held(site)).toMatchObject({ session: 1, reason: "lost" });
    await eventually("the card of the dead", async () => {
      const events = await readRoom(server.url, site.operator.accessToken, site.rooms.people);
      return events.some(({ content }) => text(content, "body").includes("offline (no word"));
    });
    const second = site.start();
    await eventually("the return", async () => (await held(site))?.kind === "birth");
    expect((await held(site))?.session).toBeGreaterThanOrEqual(2);
    await eventually("the wills of the second", () => site.scheduled().then((count) => count === 2));
    await second.stop();
    expect(await held(site)).toMatchObject({ kind: "death", reason: "stopped" });
    expect(await site.scheduled()).toBe(0);
  });
});
