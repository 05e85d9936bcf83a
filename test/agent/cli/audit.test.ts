// `petrel audit room` and `petrel export` over encrypted rooms: through kills, with a second stream, beside a running agent and without one.
import { beforeAll, expect, it } from "vitest";
import { makeSite, type Petrel, type Site } from "./petrel.ts";

let site: Site;
beforeAll(async () => {
  site = await makeSite({ encrypted: true });
});

const sent = (): number =>
  [...site.server.world.rooms.keys()]
    .flatMap((roomId) => site.server.events(roomId))
    .filter(({ type }) => type === "m.room.encrypted").length;

const runUntilSent = async (more: number): Promise<Petrel> => {
  const from = sent();
  const agent = site.start(["run"]);
  await site.server.waitUntil(() => sent() >= from + more, 30_000);
  return agent;
};

/** Each reading's place in its stream, in the order in which it was written. */
const places = (csv: string): string[] =>
  csv
    .trimEnd()
    .split("\n")
    .slice(1)
    .map((line) => line.split(",").slice(1, 3).join(" "));

it("finds every reading once in an encrypted room, and exports each", { timeout: 90_000 }, async () => {
  for (let kill = 0; kill < 2; kill += 1) {
    const killed = await runUntilSent(6);
    killed.signal("SIGKILL");
    await killed.ended;
  }
  const agent = await runUntilSent(6);
  const beside = await site.petrel(["audit", "room"]);
  expect(beside.stdout).toMatch(/^no gap, no duplicate: \d+ readings of 1 stream$/m);
  expect(beside).toMatchObject({ code: 0, stderr: "" });
  agent.signal("SIGTERM");
  await agent.ended;

  const alone = await site.petrel(["audit", "room", "--json"]);
  expect(alone.code).toBe(0);
  const { streams, unreadable } = JSON.parse(alone.stdout) as {
    streams: { readings: number }[];
    unreadable: unknown[];
  }; // as docs/cli.md says
  expect(unreadable).toEqual([]);
  const exported = places((await site.petrel(["export", "--format", "csv"])).stdout);
  expect(new Set(exported).size).toBe(exported.length);
  expect(exported).toHaveLength(streams.reduce((sum, { readings }) => sum + readings, 0));
});
