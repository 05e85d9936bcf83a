// Every example of docs/cli.md is run as it is written, and what comes out has the shape that the page shows: numbers, dates, addresses and IDs are this
// run's own. `verify` and `trust` need a second client; identity.test.ts drives them.
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { stripVTControlCharacters } from "node:util";
import { beforeAll, expect, it } from "vitest";
import { COLUMNS_ENCODING, createBuilder } from "#agent/telemetry/index.ts";
import { needs, which } from "#test/support/peers.ts";
import { makeSite, PASSWORD, type Petrel, type Site, startProgram } from "./petrel.ts";

const ROOT = join(import.meta.dirname, "../../..");
const DOCS = readFileSync(join(ROOT, "docs/cli.md"), "utf8");

interface Example {
  readonly command: string;
  readonly shown: readonly string[];
}

const examples: readonly Example[] = [...DOCS.matchAll(/^```\n(\$ petrel .*?)^```/gms)]
  .flatMap(([, block]) => (block ?? "").split(/^\$ /m).slice(1))
  .map((text) => {
    const [command = "", ...shown] = text.trimEnd().split("\n");
    return { command, shown };
  });

/** Of the example that begins so; each is asked for once. */
const asked = new Set<string>();
const example = (command: string): Example => {
  const found = examples.find((one) => one.command === command);
  if (found === undefined) throw new Error(`docs/cli.md has no example "${command}"`);
  asked.add(command);
  return found;
};

/** What differs from run to run, by its kind. */
const SHAPES: readonly (readonly [RegExp, string])[] = [
  [/^ {2}Es\w\w(?: \w{4})+(?: \.\.\.)?$/g, "  <recovery key>"],
  [/\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+/g, "<date>"],
  [/127\.0\.0\.1:\d+/g, "<address>"],
  [/PETREL[A-Z2-7]{10}/g, "<device>"],
  [/"transactionId":"[\w-]+"/g, '"transactionId":"<id>"'],
  [/(?<=^drone-1,|stream )[\w-]{12}/g, "<stream>"],
  [/\d+\.\d+\.\d+(?:-dev)?/g, "<version>"],
  [/(?<=\b[eE]vent|reading|session|room)s?\b/g, "s"],
  // In its first second an agent is just online.
  [/\bonline for \d+ s\b/g, "online"],
  [/(?<=mode = )[A-Z]+/g, "<mode>"],
  [/\d+(?:\.\d+)?/g, "<number>"],
];

const shapeOf = (line: string): string =>
  SHAPES.reduce((text, [pattern, kind]) => text.replaceAll(pattern, kind), line.trimEnd());

const linesOf = (text: string): string[] =>
  text
    .split(/\r*\n/)
    // A line of progress that was erased (agent/cli/progress.ts) was never there.
    .map((line) => stripVTControlCharacters(line.split("\r\x1b[K").at(-1) ?? "").trimEnd())
    .filter((line) => line !== "");

/** "..." on a line of its own stands for any lines, within a line for any text. */
const matchesLine = (shown: string, line: string): boolean => {
  const parts = shapeOf(shown).split("...");
  const shape = shapeOf(line);
  const [first = "", last = ""] = [parts[0], parts.at(-1)];
  return parts.length === 1 ? shape === first : shape.startsWith(first) && shape.endsWith(last);
};

/** Each line of the page is there, in the page's order, whatever lies between them. */
const expectInOrder = ({ shown }: Example, text: string): void => {
  const rest = linesOf(text);
  for (const line of shown.filter((one) => one !== "..." && one !== "")) {
    const at = rest.findIndex((one) => matchesLine(line, one));
    if (at === -1)
      expect.fail(`not there, or not in this order: ${line}\nin shape ${shapeOf(line)}\nof:\n${text}`);
    rest.splice(0, at + 1);
  }
};

/** The page shows all that there is. */
const expectWhole = (one: Example, text: string): void => {
  if (one.shown.includes("...")) expectInOrder(one, text);
  else expect(linesOf(text).map(shapeOf)).toEqual(one.shown.filter((line) => line !== "").map(shapeOf));
};

let site: Site;
let encrypted: Site;

/** A folder as the page's reader has it: `petrel` on the path. `options`: stand for a configuration in its default place, which may be the machine's own. */
const furnish = ({ folder }: Site, options = ""): void => {
  const bin = join(folder, "bin");
  mkdirSync(bin);
  const call = `"${process.execPath}" "${join(ROOT, "agent/main.ts")}" ${options}`;
  writeFileSync(join(bin, "petrel"), `#!/bin/sh\nexec ${call} "$@"\n`);
  chmodSync(join(bin, "petrel"), 0o755);
};

const environmentOf = ({ folder }: Site): Record<string, string> => ({
  PATH: `${join(folder, "bin")}:${process.env["PATH"] ?? ""}`,
  XDG_CACHE_HOME: join(folder, "cache"),
});

const begin = (
  { command }: Example,
  at: Site = site,
  more: { readonly terminal?: string; readonly input?: { readonly open: true } } = {},
): Petrel => startProgram(["sh", "-c", command], { ...more, cwd: at.folder, env: environmentOf(at) });

/** To its end; its two outputs together, the state folder called as the page calls it, progress left out. */
const run = async (one: Example, at: Site = site): Promise<string> => {
  const { stderr, stdout } = await begin(one, at).ended;
  return (stdout + stderr.replaceAll(/^(?:asking|logging in at) \S+ \.\.\.\n/gm, "")).replaceAll(
    at.state,
    "/var/lib/petrel",
  );
};

const DRIVERS = "{ drone: { type: simulator } }";

beforeAll(async () => {
  site = await makeSite({ drivers: DRIVERS, loggedOut: true });
  encrypted = await makeSite({ drivers: DRIVERS, encrypted: true });
  furnish(site);
  furnish(encrypted, `--config "${encrypted.configFile}"`);
  const { folder } = site;
  const right = readFileSync(site.configFile, "utf8");
  writeFileSync(join(folder, "wrong.yaml"), right.replace(/^rooms: .*$/m, "rooms:\n  operator: []"));
  writeFileSync(join(folder, "wrong-password"), "wrong\n");
  writeFileSync(join(folder, "notes.txt"), "buy a battery\n");
  const pack = createBuilder(COLUMNS_ENCODING);
  pack.add({ name: "battery/voltage", unit: "V", value: 12.5, timeMs: 1_764_000_000_000 });
  pack.add({ name: "battery/voltage", unit: "V", value: 12.49, timeMs: 1_764_000_000_100 });
  writeFileSync(join(folder, "morning.pack"), pack.encode(2));
}, 60_000);

it("shows the outputs of decode", async () => {
  for (const command of ["petrel decode morning.pack --format influx", "petrel decode notes.txt"]) {
    const one = example(command);
    expectWhole(one, await run(one));
  }
});

it("shows the outputs of check where the configuration is wrong", async () => {
  for (const command of ["petrel --config wrong.yaml check", "petrel --config wrong.yaml check --json"]) {
    const one = example(command);
    expectWhole(one, await run(one));
  }
});

needs("script (util-linux)", which("script"), (terminal) => {
  const open = { terminal, input: { open: true } } as const;

  it("shows the dialogue of init", async () => {
    const one = example("petrel --config petrel.yaml init");
    const init = begin({ ...one, command: one.command.replace("petrel.yaml", "new.yaml") }, site, open);
    const questions = one.shown.flatMap((line, index) => {
      const [, question, answer = ""] = /^(\S.*[\])]:) ?(.*)$/.exec(line) ?? [];
      // Asked again, it stands below what was wrong with the answer before.
      const complaint = one.shown[index - 1]?.startsWith("  ") === true ? `${one.shown[index - 1]}\n` : "";
      return question === undefined ? [] : [{ asked: `${complaint}${question}`, answer }];
    });
    expect(questions.length).toBeGreaterThan(5);
    for (const { answer, asked: text } of questions) {
      await init.says(new RegExp(`${text.replaceAll(/[^\w\s]/g, "\\$&").replaceAll("\n", "\\s+")} $`));
      init.input(`${answer}\r`);
    }
    const { stdout } = await init.ended;
    expectInOrder(one, stdout.replaceAll("new.yaml", "petrel.yaml"));
  });

  it("shows what login says, to a person and to a script", async () => {
    const wrong = example("petrel --config petrel.yaml login < wrong-password");
    expectWhole(wrong, await run(wrong));
    const right = example("petrel --config petrel.yaml login");
    const login = begin(right, site, open);
    await login.says(/password of @drone:example\.org: $/);
    login.input(`${PASSWORD}\r`);
    const { stdout } = await login.ended;
    expectWhole(right, stdout.replaceAll(site.state, "/var/lib/petrel"));
  });

  it("shows a run on a terminal until Ctrl-C, and what waits then", async () => {
    const one = example("petrel --config petrel.yaml run");
    const agent = begin(one, site, open);
    await agent.says(/the homeserver is reachable/);
    agent.input("\x03");
    const { stdout } = await agent.ended;
    for (const line of one.shown) {
      const words = line
        .replace(/^(?:\^C)?\[[\d:]+\] /, "")
        .replace(/\{.*$/, "")
        .trimEnd();
      expect(stripVTControlCharacters(stdout)).toContain(words);
    }
    const status = example("petrel --config petrel.yaml status; echo $?");
    expectWhole(status, await run(status));
  });
});

it("shows the verbs beside a running agent", { timeout: 120_000 }, async () => {
  const log = example("petrel --config petrel.yaml run 2>&1 | cat");
  const agent = begin({ ...log, command: `exec ${log.command.replace(" | cat", "")}` });
  await agent.says(/the homeserver is reachable/);
  await site.server.waitUntil(() => site.telemetry().includes("battery/voltage"), 25_000);
  const keys = ["driver", "version"];
  for (const [index, line] of log.shown.entries()) {
    expect(JSON.parse(line)).toHaveProperty(keys[index] ?? "");
    expect(agent.stdout()).toContain(/"msg":.*$/.exec(line)?.[0]);
  }
  for (const command of [
    "petrel --config petrel.yaml check --online",
    "petrel --config petrel.yaml status",
    "petrel --config petrel.yaml send swapping the battery",
    `petrel --config petrel.yaml send --room data --type org.example.note --json '{"note":"battery swapped"}'`,
    `petrel --config petrel.yaml send --type org.example.x '{"a":1.5}'`,
    "petrel --config petrel.yaml tail --room '#nope:example.org'",
    "petrel --config petrel.yaml export --format csv --since 1h | head -4",
    "petrel --config petrel.yaml export --since 1h -o hour.jsonl",
    "petrel --config petrel.yaml audit room",
  ]) {
    const one = example(command);
    expectWhole(one, await run(one));
  }
  const tail = example("petrel --config petrel.yaml tail -n 1");
  const following = begin({ ...tail, command: `exec ${tail.command}` });
  await following.says(/battery\/voltage/);
  following.signal("SIGINT");
  expectInOrder(tail, (await following.ended).stdout);
  agent.signal("SIGTERM");
  await agent.ended;
});

it("shows the key backup", { timeout: 60_000 }, async () => {
  const agent = begin({ command: "exec petrel run", shown: [] }, encrypted);
  await agent.says(/the homeserver is reachable/);
  for (const command of ["petrel backup create", "petrel backup status"]) {
    const one = example(command);
    expectWhole(one, await run(one, encrypted));
  }
});

it("leaves no example of the page out but those that need a second client", () => {
  const left = examples.map(({ command }) => command).filter((command) => !asked.has(command));
  const needTwo = left.filter((command) => /^petrel (?:verify|trust)/.test(command));
  const needTerminal = which("script") === null ? /init|login|run$|status; echo/ : /^$/;
  expect(left.filter((command) => !needTwo.includes(command) && !needTerminal.test(command))).toEqual([]);
});
