// `petrel invite` beside a running agent in encrypted rooms.
import { beforeAll, describe, expect, it } from "vitest";
import { makeSite, type Site } from "./petrel.ts";

let site: Site;
beforeAll(async () => {
  site = await makeSite({ encrypted: true });
  const agent = site.start(["run"]);
  await agent.says(/the homeserver is reachable/);
  await site.server.addUser("bob");
}, 60_000);

describe("petrel invite", () => {
  it("invites, and says what became of the history", async () => {
    const ran = await site.petrel(["invite", "@bob:example.org"]);
    expect(ran).toMatchObject({ code: 0, stderr: "" });
    expect(ran.stdout).toMatch(
      /^invited @bob:example\.org; (none of their devices is cross-signed|there is no history)/,
    );
  });

  it("invites without it, for scripts too", async () => {
    await site.server.addUser("carol");
    const ran = await site.petrel([
      "invite",
      "@carol:example.org",
      "--room",
      "data",
      "--no-history",
      "--json",
    ]);
    expect(ran.code).toBe(0);
    expect(JSON.parse(ran.stdout)).toMatchObject({ user: "@carol:example.org", history: null });
  });

  it("says what it does not take", async () => {
    const ran = await site.petrel(["invite", "bob"]);
    expect(ran.code).toBe(2);
    expect(ran.stderr).toContain("expected a user ID");
  });
});
