// On a terminal: prompts, a secret that is not shown, answers that can be given again, a log for people.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { needs, which } from "#test/support/peers.ts";
import { makeSite, PASSWORD, startPetrel, temporaryFolder } from "./petrel.ts";

const OPEN = { open: true } as const;
const CTRL_C = "\x03";
const CTRL_D = "\x04";
const UP = "\x1b[A";

needs("script (util-linux)", which("script"), (terminal) => {
  const start = { terminal, input: OPEN };

  it("init asks, judges each answer, and asks again", async () => {
    const file = join(temporaryFolder(), "petrel.yaml");
    const init = startPetrel(["-c", file, "init"], start);
    const dialogue: [RegExp, string][] = [
      [/name of this device \[drone-1\]: $/, "my drone"],
      [/expected a name .*found "my drone"\s+name of this device \[drone-1\]: $/, "drone-7"],
      [/homeserver .*\[matrix\.org\]: $/, "example.org"],
      [/account of the device \[drone-7\]: $/, ""],
      [/your own user ID.*: $/, "alice"],
      [/expected a user ID such as "@alice:example\.org", found "alice"\s+your own user ID.*: $/, ""],
      [/first source of readings .*\[simulator\]: $/, ""],
    ];
    for (const [asked, answer] of dialogue) {
      await init.says(asked);
      init.input(`${answer}\r`);
    }
    expect((await init.ended).code).toBe(0);
    expect(readFileSync(file, "utf8")).toContain('user: "drone-7"');
  });

  it("login does not show the password, nor bring it back", async () => {
    const site = await makeSite({ loggedOut: true });
    const login = site.start(["login"], start);
    await login.says(/password of @drone:example\.org: $/);
    login.input(`wrong${UP}\r`);
    const first = await login.ended;
    expect(first.code).toBe(5);
    expect(first.stdout).not.toContain("wrong\r");
    const again = site.start(["login"], start);
    await again.says(/password of/);
    again.input(`${PASSWORD}\r`);
    const ended = await again.ended;
    expect(ended.code).toBe(0);
    expect(ended.stdout).toContain("logged in at");
    expect(ended.stdout).not.toContain(PASSWORD);
  });

  it.each([
    [CTRL_C, 130, "interrupted; nothing was changed"],
    [CTRL_D, 2, "found the end of the input"],
  ])("the key %j at a prompt ends it with exit code %i", async (key, code, said) => {
    const file = join(temporaryFolder(), "petrel.yaml");
    const init = startPetrel(["-c", file, "init"], start);
    await init.says(/name of this device/);
    init.input(key);
    const ended = await init.ended;
    expect(ended.code).toBe(code);
    expect(ended.stdout).toContain(said);
    expect(existsSync(file)).toBe(false);
  });

  it("a slow login counts the seconds and leaves no trace of them", async () => {
    const site = await makeSite({ loggedOut: true });
    site.server.fault({ kind: "slow", delayMs: 1500, times: 1 });
    const login = site.start(["login"], start);
    await login.says(/password of/);
    login.input(`${PASSWORD}\r`);
    await login.says(/\rlogging in at http:[^ ]+ \.\.\. 1 s/);
    expect((await login.ended).stdout).toContain("\r\x1b[Klogged in at");
  });

  it("run logs for people and ends on Ctrl-C", async () => {
    const site = await makeSite();
    const run = site.start(["run"], start);
    await run.says(/INFO.*the homeserver is reachable/);
    run.input(CTRL_C);
    const ended = await run.ended;
    expect(ended.code).toBe(0);
    expect(ended.stdout).toMatch(/Petrel stops \(SIGINT\)/);
    expect(ended.stdout).not.toContain('"level"');
  });
});
