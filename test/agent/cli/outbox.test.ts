// `petrel outbox`: what a server refused for good is listed, shown, put back and dropped, in the store and through a running agent.
import { beforeAll, describe, expect, it } from "vitest";
import { makeSite, type Site } from "./petrel.ts";

let site: Site;
beforeAll(async () => {
  site = await makeSite({ drivers: "{}" });
});

/** A type of our own: nothing else that the agent has to say meets the fault. */
const TYPE = "org.example.test";
const SENDS = { method: "PUT", path: /\/send\/org\.example\.test\// };

const send = (body: string) => site.petrel(["send", "--type", TYPE, JSON.stringify({ body })]);

const listed = async (): Promise<
  { readonly id: number; readonly type: string; readonly reason: string }[]
> => {
  const { code, stdout } = await site.petrel(["outbox", "list", "--json"]);
  expect(code).toBe(0);
  return JSON.parse(stdout) as { id: number; type: string; reason: string }[]; // as docs/cli.md says
};

const bodies = (): unknown[] =>
  [...site.server.world.rooms.keys()]
    .flatMap((roomId) => site.server.events(roomId))
    .map(({ content }) => content["body"]);

describe("petrel outbox", () => {
  it("says before the first run that there is no store", async () => {
    expect(await site.petrel(["outbox", "list"])).toMatchObject({
      code: 4,
      stdout: "",
      stderr: `petrel: ${site.state}: no store; the agent never ran here\n`,
    });
  });

  it("lists, shows, puts back and drops what was refused for good", async () => {
    const agent = site.start(["run"]);
    await agent.says(/the homeserver is reachable/);
    const refusal = { errcode: "M_TOO_LARGE", error: "event too large" };
    site.server.fault({ kind: "status", status: 413, body: refusal, match: SENDS, times: 2 });
    expect(await send("one")).toMatchObject({ code: 0 });
    expect(await send("two")).toMatchObject({ code: 0 });
    for (let letters = await listed(); letters.length < 2; letters = await listed());
    await throughTheAgent();
    agent.signal("SIGTERM");
    await agent.ended;
    await inTheStore();
  });

  const throughTheAgent = async (): Promise<void> => {
    const text = await site.petrel(["outbox", "list"]);
    expect(text.stdout).toMatch(
      /^\d+ {2}\d{4}-\S+Z {2}reply {2}org\.example\.test {2}!\S+\n {4}.*M_TOO_LARGE/,
    );
    const [first] = await listed();
    const shown = await site.petrel(["outbox", "show", String(first?.id)]);
    expect(JSON.parse(shown.stdout)).toMatchObject({
      id: first?.id,
      lane: "reply",
      content: { body: "one" },
    });
    expect(bodies()).not.toContain("one");
    expect(await site.petrel(["outbox", "retry", String(first?.id)])).toMatchObject({
      code: 0,
      stdout: "1 put back into the outbox\n",
    });
    await site.server.waitUntil(() => bodies().includes("one"), 25_000);
    expect(await listed()).toHaveLength(1);
  };

  const inTheStore = async (): Promise<void> => {
    const [second] = await listed();
    const shown = await site.petrel(["outbox", "show", String(second?.id), "--json"]);
    expect(JSON.parse(shown.stdout)).toMatchObject({ content: { body: "two" } });
    expect(await site.petrel(["outbox", "drop", "all"])).toMatchObject({ code: 0, stdout: "1 dropped\n" });
    expect((await site.petrel(["outbox", "list"])).stdout).toBe("no event was set aside\n");
    expect(bodies()).not.toContain("two");
  };

  it.each([
    [["show"], "petrel outbox show: expected the number of an event; `petrel outbox list` shows them"],
    [["show", "all"], "petrel outbox show: expected the number of an event; `petrel outbox list` shows them"],
    [
      ["drop", "x"],
      "petrel outbox drop: expected the number of an event, or all; `petrel outbox list` shows them",
    ],
    [["drop", "99"], "no event of number 99 was set aside; `petrel outbox list` shows them"],
  ])("refuses %j", async (args, message) => {
    expect(await site.petrel(["outbox", ...args])).toMatchObject({
      code: 2,
      stdout: "",
      stderr: `petrel: ${message}\n`,
    });
  });
});
