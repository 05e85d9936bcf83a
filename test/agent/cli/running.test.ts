// The verbs beside a running agent, through its control socket, and without one: run, status, check, login, send, tail.
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { makeSite, PASSWORD, type Petrel, type Site } from "./petrel.ts";

const running = async (): Promise<{ site: Site; agent: Petrel }> => {
  const site = await makeSite();
  const agent = site.start(["run"]);
  await agent.says(/the homeserver is reachable/);
  await site.server.waitUntil(() => site.telemetry() !== "", 20_000);
  return { site, agent };
};

const bodies = ({ server }: Site): string =>
  [...server.world.rooms.keys()]
    .flatMap((roomId) => server.events(roomId))
    .map(({ type, content }) => `${type} ${String(content["body"] ?? JSON.stringify(content))}`)
    .join("\n");

describe("beside a running agent", () => {
  let site: Site;
  let agent: Petrel;
  beforeAll(async () => {
    ({ site, agent } = await running());
  });

  it("status tells how it is, to people and to scripts", async () => {
    const text = await site.petrel(["status"]);
    expect(text).toMatchObject({ code: 0, stderr: "" });
    expect(text.stdout).toMatch(/^drone-1: online/);
    expect(text.stdout).toMatch(/^homeserver: reachable$/m);
    const json = await site.petrel(["status", "--json"]);
    const answer: unknown = JSON.parse(json.stdout);
    expect(answer).toMatchObject({ device: "drone-1", state: "online", homeserver: "reachable" });
    expect(answer).toMatchObject({ drivers: [{ name: "sim", state: "up" }], outbox: { dead: 0 } });
    expect(answer).not.toHaveProperty("text");
  });

  it("its socket belongs to its user alone", async () => {
    expect(statSync(join(site.state, "control.sock")).mode & 0o777).toBe(0o600);
    expect(statSync(site.state).mode & 0o777).toBe(0o700);
  });

  it("check --online asks through it, login and a second run are refused", async () => {
    const [check, login, second] = await Promise.all([
      site.petrel(["check", "--online"]),
      site.petrel(["login"], { input: PASSWORD }),
      site.petrel(["run"]),
    ]);
    expect(check).toMatchObject({ code: 0, stderr: "" });
    expect(check.stdout).toContain("logged in as @drone:example.org");
    expect(login.code).toBe(4);
    expect(login.stderr).toBe("petrel: the agent runs and is logged in: stop it first to log in anew\n");
    expect(second.code).toBe(4);
    expect(second.stderr).toContain(`another process holds it (pid ${agent.pid})`);
  });

  it("send brings a message and an event into its rooms, and refuses what no server takes", async () => {
    expect((await site.petrel(["send", "hello", "there"])).stdout).toBe(
      "in the outbox of the running agent\n",
    );
    const json = await site.petrel([
      "send",
      "--json",
      "--room",
      "data",
      "--type",
      "org.example.x",
      '{"a":"1.5"}',
    ]);
    expect(json.stdout).toMatch(/^\{"transactionId":"[^"]+","running":true\}\n$/);
    await site.server.waitUntil(
      () => bodies(site).includes("hello there") && bodies(site).includes("org.example.x"),
    );
    const refusals: [string[], RegExp][] = [
      [["--type", "org.example.x", '{"a":1.5}'], /content\.a: expected an integer, got 1\.5/],
      [["--type", "org.example.x", "[1]"], /expected as a JSON object/],
      [["x".repeat(70_000)], /expected an event of at most 65536 bytes/],
      [[""], /expected a message, found nothing to send/],
    ];
    for (const [args, said] of refusals) {
      const ran = await site.petrel(["send", ...args]);
      expect(ran).toMatchObject({ code: 2, stdout: "" });
      expect(ran.stderr).toMatch(said);
    }
  });

  it("tail follows its data room until Ctrl-C, in lines and in JSON", async () => {
    const text = site.start(["tail", "-n", "1"]);
    const json = site.start(["tail", "-n", "1", "--json"]);
    await text.says(/drone-1 {2}#\d+ {2}battery\/voltage = [\d.]+ V/);
    await json.says(/"type":|"content":\{/);
    const before = text.stdout().length;
    await text.says(new RegExp(`^[^]{${before + 100},}`));
    for (const follower of [text, json]) follower.signal("SIGINT");
    expect(await text.ended).toMatchObject({ code: 0, stderr: "" });
    const ended = await json.ended;
    expect(ended).toMatchObject({ code: 0, stderr: "" });
    for (const line of ended.stdout.trim().split("\n"))
      expect(JSON.parse(line)).toMatchObject({ sender: "@drone:example.org", content: { v: 1 } });
  });

  it("tail -n counts telemetry alone: what else is in the room hides none", async () => {
    for (const n of ["1", "2"]) await site.petrel(["send", "--room", "data", n]);
    await site.server.waitUntil(() => bodies(site).includes("m.room.message 2"));
    const follower = site.start(["tail", "-n", "1", "--json"]);
    await follower.says(/"content"/);
    const none = site.start(["tail", "-n", "0", "--json"]);
    await none.says(/"content"/);
    const seqOf = (line: string): number =>
      (JSON.parse(line.split("\n")[0] ?? "") as { content: { seq: number } }).content.seq; // telemetry has one
    expect(seqOf(none.stdout())).toBeGreaterThan(seqOf(follower.stdout()));
  });

  it("tail names a room that cannot be followed", async () => {
    const unknown = await site.petrel(["tail", "--room", "#nope:example.org"]);
    expect(unknown.code).toBe(5);
    expect(unknown.stderr).toMatch(
      /^petrel: cannot follow #nope:example\.org: .*; name a room that @drone:example\.org is in\n$/,
    );
  });
});

describe("an agent that is told to stop", () => {
  it("ends a tail that goes through it, which says why", async () => {
    const { site, agent } = await running();
    const follower = site.start(["tail"]);
    await follower.says(/battery/);
    agent.signal("SIGTERM");
    const ended = await follower.ended;
    expect(ended.code).toBe(1);
    expect(ended.stderr).toMatch(/^petrel: the agent closed the connection: .*\n$/);
  });

  it.each(["SIGINT", "SIGTERM"] as const)("%s ends it in good order", async (signal) => {
    const { site, agent } = await running();
    agent.signal(signal);
    const ended = await agent.ended;
    expect(ended).toMatchObject({ code: 0, stdout: "" });
    expect(ended.stderr).toContain(`Petrel stops (${signal})`);
    expect(ended.stderr.trim().split("\n").at(-1)).toContain("Petrel has stopped");
    expect(bodies(site)).toContain("drone-1: offline");
  });
});

describe("under systemd", () => {
  it("takes folders and credentials from where the unit puts them", async () => {
    const site = await makeSite();
    const unit = (name: string): string => join(site.folder, name);
    for (const name of ["credentials", "state", "cache"]) mkdirSync(unit(name), { mode: 0o700 });
    writeFileSync(unit("credentials/password"), PASSWORD, { mode: 0o400 });
    writeFileSync(unit("credentials/store-key"), `${"5a".repeat(32)}\n`, { mode: 0o400 });
    const text = readFileSync(site.configFile, "utf8");
    writeFileSync(
      site.configFile,
      text
        .replace(/state: [^ }]+/, "store_key: { credential: store-key }")
        .replace(/password: \{[^}]*\}/, "password: { credential: password }"),
    );
    const env = {
      CREDENTIALS_DIRECTORY: unit("credentials"),
      STATE_DIRECTORY: unit("state"),
      CACHE_DIRECTORY: unit("cache"),
    };
    const agent = site.start(["run"], { env });
    await agent.says(/the homeserver is reachable/);
    agent.signal("SIGTERM");
    expect((await agent.ended).code).toBe(0);
    expect(readdirSync(unit("state"))).toContain("petrel.db");
    expect(readdirSync(unit("state"))).not.toContain("store.key");
  });
});

describe("a fault of the program itself", () => {
  it("ends the run in good order, with the place of the fault in the log and exit code 1", async () => {
    const site = await makeSite();
    const trap = "process.once('SIGUSR2', () => setTimeout(() => { throw new Error('boom'); }, 1))";
    const env = { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(trap)}` };
    const agent = site.start(["run"], { env });
    await agent.says(/the homeserver is reachable/);
    agent.signal("SIGUSR2");
    const ended = await agent.ended;
    expect(ended.code).toBe(1);
    expect(ended.stderr).toMatch(/Petrel cannot go on: unexpected: Error: boom\\n +at /);
    expect(ended.stderr).toContain("Petrel has stopped");
    expect(bodies(site)).toContain("drone-1: offline");
  });
});

describe("without a running agent", () => {
  it("status says so with exit code 10, before the first start and after a kill, and makes nothing", async () => {
    const site = await makeSite();
    const never = await site.petrel(["status"]);
    expect(never).toMatchObject({ code: 10, stderr: "" });
    expect(never.stdout).toContain("not running; it never ran");
    expect(() => statSync(site.state)).toThrow("ENOENT");
    const agent = site.start(["run"]);
    await agent.says(/the homeserver is reachable/);
    agent.signal("SIGKILL");
    await agent.ended;
    const killed = await site.petrel(["status", "--json"]);
    expect(killed).toMatchObject({ code: 10, stderr: "" });
    expect(JSON.parse(killed.stdout)).toMatchObject({ device: "drone-1", state: "not running" });
  });

  it("send keeps the message for the next start", async () => {
    const { site, agent } = await running();
    agent.signal("SIGTERM");
    await agent.ended;
    expect((await site.petrel(["send", "later"])).stdout).toBe("kept; it goes out when the agent runs\n");
    site.start(["run"]);
    await site.server.waitUntil(() => bodies(site).includes("m.room.message later"), 20_000);
  });

  it("tail follows alone and does not keep an agent from starting", async () => {
    const { site, agent } = await running();
    agent.signal("SIGTERM");
    await agent.ended;
    const follower = site.start(["tail", "-n", "1"]);
    await follower.says(/battery/);
    const again = site.start(["run"]);
    await again.says(/the homeserver is reachable/);
    const before = follower.stdout().length;
    await follower.says(new RegExp(`^[^]{${before + 100},}`));
    follower.signal("SIGINT");
    const ended = await follower.ended;
    expect(ended.code).toBe(0);
    expect(ended.stderr).not.toMatch(/petrel:|\n +at /);
  });

  it("a reader that goes away (petrel tail | head) ends it quietly", async () => {
    const { site } = await running();
    const follower = site.start(["tail", "-n", "1"]);
    await follower.says(/battery/);
    follower.closeOutput();
    const ended = await follower.ended;
    expect(ended.code).toBe(0);
    expect(ended.stderr).not.toMatch(/petrel:|\n +at /);
  });
});
