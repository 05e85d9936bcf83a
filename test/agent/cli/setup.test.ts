// Setting a device up: help, init, check, login, as scripts do it (without a terminal).
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { renderConfig, SOURCE_NAMES } from "#agent/cli/first-config.ts";
import { parseConfig } from "#agent/config/config.ts";
import { driverKinds } from "#agent/ingest/registry.ts";
import { makeSite, PASSWORD, petrel, startPetrel, temporaryFolder } from "./petrel.ts";

const ANSWERS = ["--device", "d", "--homeserver", "example.org", "--user", "d", "--operator", ""];

describe("the command line", () => {
  it("prints its help and its version", async () => {
    const [help, version] = await Promise.all([petrel(["--help"]), petrel(["--version"])]);
    expect(help).toMatchObject({ code: 0, stderr: "" });
    for (const verb of ["run", "status", "init", "check", "login", "send", "tail"])
      expect(help.stdout).toMatch(new RegExp(`^  ${verb} `, "m"));
    expect(version.stdout).toMatch(/^\d+\.\d+\.\d+/);
  });

  it.each([
    [["nonsense"], /^petrel: unknown command 'nonsense'/],
    [["statu"], /Did you mean status\?/],
    [["check", "--onlin"], /unknown option '--onlin'\n\(Did you mean --online\?\)/],
    [["send"], /missing required argument 'text'/],
    [["tail", "-n", "abc"], /expected a number from 0 to 9999/],
    [["send", "--room", "kitchen", "x"], /Allowed choices are people, data/],
  ])("refuses %j with exit code 2", async (args, said) => {
    const ran = await petrel(args);
    expect(ran.code).toBe(2);
    expect(ran.stderr).toMatch(said);
    expect(ran.stdout).toBe("");
  });
});

describe("init", () => {
  it.each(SOURCE_NAMES)("has a configuration for %s that is right as it is", async (source) => {
    const answers = {
      device: "d.1",
      homeserver: "example.org",
      user: "@d:example.org",
      operator: "",
      source,
    };
    const config = await parseConfig("p.yaml", renderConfig(answers), driverKinds);
    expect(config.drivers.size).toBe(source === "none" ? 0 : 1);
  });

  it("writes a configuration that check accepts, into folders that it makes, and says how to go on", async () => {
    const file = join(temporaryFolder(), "new", "folder", "petrel.yaml");
    const wrote = await petrel(["-c", file, "init", ...ANSWERS, "--source", "mqtt"]);
    expect(wrote).toMatchObject({ code: 0, stderr: "" });
    expect(wrote.stdout).toContain(`next: petrel --config ${file} login, then petrel --config ${file} run`);
    expect(await petrel(["-c", file, "check"])).toMatchObject({ code: 0, stderr: "" });
  });

  it("takes its answers from a pipe, line by line", async () => {
    const file = join(temporaryFolder(), "petrel.yaml");
    const wrote = await petrel(["-c", file, "init"], {
      input: "drone-7\nexample.org\n\n@alice:example.org\nmqtt",
    });
    expect(wrote).toMatchObject({ code: 0, stderr: "" });
    const text = readFileSync(file, "utf8");
    for (const part of ['name: "drone-7"', 'user: "drone-7"', '"@alice:example.org"', "petrel-drone-7"])
      expect(text).toContain(part);
  });

  it.each([
    [["--device", "a b"], "", /^petrel: --device: expected a name .* found "a b"\n$/],
    [
      ANSWERS,
      "lora",
      /^petrel: first source .* expected one of simulator, serial, mqtt, none, found "lora"\n$/,
    ],
    [["--device", "d", "--homeserver", "not a server"], "", /--homeserver: expected a server name/],
    [["--device", "d"], "", /homeserver .*: expected an answer, found the end of the input/],
  ])("says what is wrong with the answers %j %j and writes nothing", async (args, input, said) => {
    const file = join(temporaryFolder(), "petrel.yaml");
    const ran = await petrel(["-c", file, "init", ...args], { input });
    expect(ran.code).toBe(2);
    expect(ran.stderr).toMatch(said);
    expect(existsSync(file)).toBe(false);
  });

  it("keeps a file that is there unless it is forced", async () => {
    const file = join(temporaryFolder(), "petrel.yaml");
    writeFileSync(file, "mine");
    const kept = await petrel(["-c", file, "init", ...ANSWERS, "--source", "none"]);
    expect(kept.code).toBe(3);
    expect(kept.stderr).toContain("is there already: --force writes over it");
    expect(readFileSync(file, "utf8")).toBe("mine");
    expect((await petrel(["-c", file, "init", "--force", ...ANSWERS, "--source", "none"])).code).toBe(0);
  });

  it("says where it cannot write, even where the system answers oddly", async () => {
    const ran = await petrel(["-c", "/proc/nowhere/petrel.yaml", "init", ...ANSWERS, "--source", "none"]);
    expect(ran.code).toBe(3);
    expect(ran.stderr).toMatch(
      /^petrel: cannot write \/proc\/nowhere\/petrel.yaml: .*--config names another place\n$/,
    );
  });
});

describe("check", () => {
  it("names the place of each problem, for people and for scripts", async () => {
    const folder = temporaryFolder();
    writeFileSync(
      join(folder, "p.yaml"),
      "version: 1\ndevise: { name: d }\nhomeserver: { server: example.org, user: d }\n",
    );
    const ran = await petrel(["-c", "p.yaml", "check"], { cwd: folder });
    expect(ran.code).toBe(3);
    expect(ran.stderr).toMatch(/^p\.yaml:2:1: devise: expected one of .*did you mean "device"\?\)$/m);
    const json = await petrel(["-c", "p.yaml", "check", "--json"], { cwd: folder });
    expect(json).toMatchObject({ code: 3, stderr: "" });
    const answer: unknown = JSON.parse(json.stdout);
    expect(answer).toMatchObject({ ok: false, code: 3 });
    expect(answer).toHaveProperty(
      "problems.1",
      expect.objectContaining({ path: "devise", line: 2, column: 1 }),
    );
  });

  it("says what to do when there is no configuration", async () => {
    const ran = await petrel(["check"], { env: { XDG_CONFIG_HOME: "/nowhere", STATE_DIRECTORY: "" } });
    expect(ran.code).toBe(3);
    expect(ran.stderr).toMatch(
      /cannot read the configuration .*petrel\.yaml \(ENOENT\); `petrel init` writes a first one/,
    );
  });

  it("reads every secret that the file refers to", async () => {
    const folder = temporaryFolder();
    writeFileSync(
      join(folder, "p.yaml"),
      "version: 1\ndevice: { name: d }\nhomeserver: { server: e.org, user: d, password: { file: /nowhere } }\n",
    );
    const ran = await petrel(["-c", join(folder, "p.yaml"), "check"]);
    expect(ran.code).toBe(3);
    expect(ran.stderr).toMatch(/homeserver\.password: cannot read \/nowhere \(ENOENT\); create it/);
  });

  it("asks the server with --online, and still says what was right when nobody is logged in", async () => {
    const site = await makeSite({ loggedOut: true });
    const before = await site.petrel(["check", "--online"]);
    expect(before.code).toBe(5);
    expect(before.stdout).toContain("right (1 driver");
    expect(before.stderr).toContain("run `petrel login`");
    site.configure();
    const after = await site.petrel(["check", "--online", "--json"]);
    expect(after.code).toBe(0);
    expect(after.stdout).toContain("logged in as @drone:example.org");
  });
});

describe("login", () => {
  it("takes the password from a pipe and keeps the session, so that the next start needs none", async () => {
    const site = await makeSite({ loggedOut: true });
    const ran = await site.petrel(["login", "--json"], { input: `${PASSWORD}\n` });
    expect(ran).toMatchObject({ code: 0, stderr: "" });
    expect(JSON.parse(ran.stdout)).toMatchObject({
      userId: "@drone:example.org",
      homeserver: site.server.url,
    });
    expect((await site.petrel(["check", "--online"])).code).toBe(0);
  });

  it("takes a token without a line break at its end", async () => {
    const site = await makeSite({ loggedOut: true });
    const ran = await site.petrel(["login", "--token"], { input: site.device.accessToken });
    expect(ran).toMatchObject({ code: 0, stderr: "" });
    expect(ran.stdout).toContain(`device ${site.device.deviceId}`);
  });

  it("becomes a new device only when it is told to", async () => {
    const site = await makeSite({ loggedOut: true });
    const deviceOf = async (...more: string[]): Promise<unknown> => {
      const { stdout } = await site.petrel(["login", "--json", ...more], { input: PASSWORD });
      return (JSON.parse(stdout) as { deviceId: unknown }).deviceId; // an object, or the test fails on what follows
    };
    const first = await deviceOf();
    expect(await deviceOf()).toBe(first);
    expect(await deviceOf("--new-device")).not.toBe(first);
  });

  it.each([
    ["wrong\n", [], 5, /^petrel: login as @drone:example.org at .*: wrong user name or password.*\n$/],
    ["", [], 2, /^petrel: password of @drone:example.org: expected an answer, found the end of the input\n$/],
    ["\n", [], 2, /expected it, found an empty line/],
    ["nonsense", ["--token"], 5, /the access token is not \(or no longer\) good: get another one/],
  ])("refuses the input %j %j with exit code %i", async (input, options, code, said) => {
    const site = await makeSite({ loggedOut: true });
    const ran = await site.petrel(["login", ...options], { input });
    expect(ran).toMatchObject({ code, stdout: "" });
    expect(ran.stderr).toMatch(said);
  });

  it("says what it waits for when a server is slow", async () => {
    const site = await makeSite({ loggedOut: true });
    site.server.fault({ kind: "slow", delayMs: 1500, times: 1 });
    const ran = await site.start(["login"], { input: PASSWORD }).ended;
    expect(ran.code).toBe(0);
    expect(ran.stderr).toBe(`logging in at ${site.server.url} ...\n`);
  });

  it("ends at once on Ctrl-C while a server does not answer", async () => {
    const site = await makeSite({ loggedOut: true });
    site.server.fault({ kind: "stall" });
    const running = startPetrel(["-c", site.configFile, "login"], { input: PASSWORD });
    await running.says(/logging in at/);
    running.signal("SIGINT");
    expect(await running.ended).toMatchObject({ code: 130, stdout: "" });
  });

  it("says who cannot be reached", async () => {
    const site = await makeSite({ loggedOut: true });
    await site.server.offline();
    const ran = await site.petrel(["login"], { input: PASSWORD });
    expect(ran.code).toBe(6);
    expect(ran.stderr).toMatch(
      /^petrel: .*connection refused: is the homeserver running, and is this its port\?.*\n$/,
    );
  });
});
