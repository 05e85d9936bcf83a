// The log: for a person on a terminal, JSON elsewhere; and no secret in anything that the agent writes.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { createLog, type LogConfig, untilFailed } from "#agent/log.ts";
import { makeSite, PASSWORD, type Site } from "./petrel.ts";

const written = async (config: LogConfig, isTty: boolean): Promise<string> => {
  let text = "";
  const terminal = {
    write: (more: string): void => {
      text += more;
    },
    isTty,
    columns: 80,
  };
  const log = await createLog(config, terminal);
  log.debug({}, "too fine");
  log.info({ driver: "gps" }, "open");
  log.error({}, "broken");
  return text;
};

describe("a log", () => {
  it.each([
    ["auto", false],
    ["json", true],
  ] as const)("in format %s with a terminal: %s is one JSON object a line", async (format, tty) => {
    const text = await written({ level: "info", format }, tty);
    const lines = text
      .trim()
      .split("\n")
      .map((line): unknown => JSON.parse(line));
    expect(lines).toHaveLength(2);
    expect(lines[0]).toMatchObject({ level: "info", driver: "gps", msg: "open" });
    expect(lines[0]).toHaveProperty("time");
    expect(lines[1]).toMatchObject({ level: "error", msg: "broken" });
  });

  it("on a terminal is for a person, in colours", async () => {
    const text = await written({ level: "info", format: "auto" }, true);
    expect(text).toMatch(/^\[\d\d:\d\d:\d\d\] .*INFO.*open.*"driver":"gps"/m);
    expect(text).toContain("\x1b[");
  });

  it("for a person in a file has no colours", async () => {
    expect(await written({ level: "info", format: "human" }, false)).not.toContain("\x1b[");
  });

  it("holds nothing below its level", async () => {
    expect(await written({ level: "error", format: "json" }, false)).not.toContain("open");
    expect(await written({ level: "debug", format: "json" }, false)).toContain("too fine");
  });
});

describe("a log until something failed", () => {
  it("says warnings and errors, and afterwards keeps them as debug", () => {
    const said: string[] = [];
    const at =
      (level: string) =>
      (_fields: unknown, message: string): void => {
        said.push(`${level} ${message}`);
      };
    const failure = new AbortController();
    const log = untilFailed(
      { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") },
      failure.signal,
    );
    log.warn({}, "before");
    log.error({}, "before");
    failure.abort();
    log.info({}, "after");
    log.warn({}, "after");
    log.error({}, "after");
    expect(said).toStrictEqual(["warn before", "error before", "info after", "debug after", "debug after"]);
  });
});

/** The secret as it may be written: as it is, in base64, in hexadecimal. */
const shapesOf = (secret: Uint8Array): string[] => {
  const bytes = Buffer.from(secret);
  return [
    bytes.toString("latin1"),
    bytes.toString("base64").replaceAll("=", ""),
    bytes.toString("base64url"),
    bytes.toString("hex"),
  ];
};

const filesOf = (folder: string): Map<string, string> =>
  new Map(
    readdirSync(folder)
      .filter((name) => name !== "store.key" && !name.endsWith(".sock"))
      .map((name) => [name, readFileSync(join(folder, name), "latin1")]),
  );

const tokensOf = ({ server: { world } }: Site): string[] => [
  ...world.sessions.keys(),
  ...world.refreshTokens.keys(),
];

describe("secrets", () => {
  it("are in no output and in no file of the state folder but the key's own", async () => {
    const site = await makeSite({ more: "log: { level: debug }" });
    const agent = site.start(["run"]);
    await agent.says(/the homeserver is reachable/);
    const before = tokensOf(site);
    expect(before.length).toBeGreaterThan(1);
    site.server.expireTokens(site.device.userId);
    await site.server.waitUntil(() => site.telemetry() !== "", 20_000);
    const status = await site.petrel(["status", "--json"]);
    agent.signal("SIGKILL");
    const { stderr, stdout } = await agent.ended;
    const key = readFileSync(join(site.state, "store.key"));
    const texts = [PASSWORD, ...before, ...tokensOf(site)].map((text) => new TextEncoder().encode(text));
    const secrets = [key, ...texts].flatMap(shapesOf);
    const places = new Map([...filesOf(site.state), ["output", stdout + stderr + status.stdout]]);
    expect(places.size).toBeGreaterThan(3);
    for (const [place, content] of places)
      for (const secret of secrets) expect(content.includes(secret), `a secret in ${place}`).toBe(false);
  });
});
