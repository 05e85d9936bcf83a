// Copies of a state folder and old ones put back, with real processes: each is refused with a way out, and nobody who only lost power is.
import { cpSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { describe, expect, it } from "vitest";
import { makeSite, type Petrel, type Ran, type Site, type SiteOptions, startPetrel } from "./petrel.ts";

/** Several real processes, one after the other, on a machine that may be busy. */
const PATIENT = { timeout: 180_000 } as const;

const MARK = { method: "PUT", path: /account_data\/dev\.petrel\.store\./ };

/** A board of its own over a state folder: a configuration beside the site's. */
interface Board {
  readonly state: string;
  start(...args: string[]): Petrel;
  petrel(...args: string[]): Promise<Ran>;
}

const boardOf = (site: Site, name: string, state: string): Board => {
  const configFile = join(site.folder, `${name}-${basename(state)}.yaml`);
  const text = readFileSync(site.configFile, "utf8");
  writeFileSync(
    configFile,
    text.replace(/^device: .*$/m, `device: { name: drone-1, state: ${state}, board: ${name} }`),
  );
  const start = (...args: string[]): Petrel => startPetrel(["--config", configFile, ...args]);
  return { state, start, petrel: (...args) => start(...args).ended };
};

const siteOf = (options: SiteOptions = {}): Promise<Site> =>
  makeSite({ drivers: "{}", encrypted: true, ...options });

const copy = (from: string, to: string): string => {
  rmSync(to, { recursive: true, force: true });
  cpSync(from, to, { recursive: true, filter: (path) => !path.endsWith(".sock") });
  return to;
};

const runOnce = async (board: Board): Promise<void> => {
  const agent = board.start("run");
  await agent.says(/the homeserver is reachable/);
  agent.signal("SIGTERM");
  expect((await agent.ended).code).toBe(0);
};

describe("a card in another board", () => {
  it(
    "is refused before anything is sent, goes on once a person says that it was moved, and then stops the board before",
    PATIENT,
    async () => {
      const site = await siteOf();
      const first = boardOf(site, "board-a", site.state);
      await runOnce(first);
      const second = boardOf(site, "board-b", copy(site.state, join(site.folder, "copy")));
      const before = site.server.countRequests();
      const refused = await second.petrel("run");
      expect(refused.code).toBe(7);
      expect(refused.stderr).toMatch(
        /last used on another board.*petrel device moved --yes.*petrel device reset/s,
      );
      expect(site.server.countRequests()).toBe(before);

      expect((await second.petrel("device", "show")).stdout).toMatch(
        /last used on: ANOTHER board than this one/,
      );
      const asked = await second.petrel("device", "moved");
      expect(asked.code).toBe(1);
      expect(asked.stdout).toContain("with --yes it is");
      expect((await second.petrel("device", "moved", "--yes")).code).toBe(0);
      await runOnce(second);
      const left = await first.petrel("run");
      expect(left.code).toBe(7);
      expect(left.stderr).toContain("a newer state of this store, from another board");
    },
  );
});

describe("a copy of the state folder on the same board", () => {
  it("that starts beside the running agent is told to stop, and the first one goes on", PATIENT, async () => {
    const site = await siteOf();
    const first = boardOf(site, "board-a", site.state);
    const agent = first.start("run");
    await agent.says(/the homeserver is reachable/);
    const second = boardOf(site, "board-a", copy(site.state, join(site.folder, "copy")));
    const other = second.start("run");
    const ended = await other.ended;
    expect(ended.code).toBe(7);
    expect(ended.stderr).toContain("another agent that was started earlier runs with a copy of this store");
    await agent.says(/it is told to stop/);
    agent.signal("SIGTERM");
    expect((await agent.ended).code).toBe(0);
    await runOnce(first);
  });

  it("that is an old one put back is refused, and made a device of its own", PATIENT, async () => {
    const site = await siteOf();
    const board = boardOf(site, "board-a", site.state);
    await runOnce(board);
    const old = copy(site.state, join(site.folder, "old"));
    await runOnce(board);
    copy(old, site.state);
    const refused = await board.petrel("run");
    expect(refused.code).toBe(7);
    expect(refused.stderr).toMatch(/a newer state of this store, from this board.*petrel device reset/s);

    const devices = (): string[] => [
      ...(site.server.world.users.get(site.device.userId)?.devices.keys() ?? []),
    ];
    const [before = ""] = devices().filter((id) => id.startsWith("PETREL"));
    const plan = await board.petrel("device", "reset");
    expect(plan.code).toBe(1);
    expect(plan.stdout).toMatch(
      new RegExp(`${before} is logged out.*What is lost:.*What stays:.*Nothing was done`, "s"),
    );
    expect(devices()).toContain(before);
    const done = await board.petrel("device", "reset", "--yes");
    expect(done.code).toBe(0);
    expect(done.stdout).toContain(`${before} is logged out`);
    expect(devices()).not.toContain(before);
    await runOnce(board);
    await runOnce(board);
  });
});

describe("a copy with a backlog", () => {
  it(
    "becomes a device of its own, delivers what waited once, and leaves the first device alone",
    PATIENT,
    async () => {
      const site = await siteOf({ drivers: "{ sim: { type: simulator, interval_ms: 100 } }" });
      const first = boardOf(site, "board-a", site.state);
      const agent = first.start("run");
      await agent.says(/the homeserver is reachable/);
      await site.server.offline();
      await agent.says(/not reachable/);
      agent.signal("SIGTERM");
      await agent.ended;
      await site.server.online();
      const second = boardOf(site, "board-b", copy(site.state, join(site.folder, "copy")));
      expect((await second.petrel("run")).code).toBe(7);
      const { stdout } = await second.petrel("device", "show", "--json");
      expect(JSON.parse(stdout)).toMatchObject({ board: "other" });
      expect((await second.petrel("device", "reset", "--keep-old", "--yes")).stdout).toContain(
        "stays logged in",
      );
      const again = second.start("run");
      await again.says(/the homeserver is reachable/);
      const sent = (): number =>
        [...site.server.world.rooms.keys()]
          .flatMap((roomId) => site.server.events(roomId))
          .filter(({ type }) => type === "m.room.encrypted").length;
      const then = sent();
      await site.server.waitUntil(() => sent() > then + 5, 25_000);
      again.signal("SIGTERM");
      expect((await again.ended).code).toBe(0);
      const audit = await second.petrel("audit", "room");
      expect(audit.code).toBe(0);
      expect(audit.stdout).toMatch(/no gap/i);
      const ids = [...(site.server.world.users.get(site.device.userId)?.devices.keys() ?? [])];
      expect(ids.filter((id) => id.startsWith("PETREL"))).toHaveLength(2);
    },
  );
});

describe("whoever only lost power", () => {
  it(
    "is never refused: killed while its mark is under way, with the answer lost, again and again",
    PATIENT,
    async () => {
      const site = await siteOf();
      const board = boardOf(site, "board-a", site.state);
      for (const kind of ["answer-lost", "stall", "refused", "answer-lost"] as const) {
        const fault = site.server.fault({ kind, match: MARK, times: 100 });
        const agent = board.start("run");
        await site.server.waitUntil(() => fault.hits() > 0, 25_000);
        agent.signal("SIGKILL");
        await agent.ended;
        fault.remove();
      }
      await runOnce(board);
      await runOnce(board);
    },
  );
});
