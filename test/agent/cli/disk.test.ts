// Disks that are full, read-only, damaged, slow or broken, as an operator meets them: one line that says what to do, an exit code, and a next start that goes on
// from what was stored. The store's own tests (test/agent/store) try every write and every sync.
import {
  closeSync,
  mkdirSync,
  openSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { constants } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { buildShim } from "#scripts/shims/build.ts";
import { needs, which } from "#test/support/peers.ts";
import { makeSite, type Petrel, type Site } from "./petrel.ts";
import { expectEnd, lines, online, stopped } from "./running.ts";

const { EIO, ENOSPC } = constants.errno;

/** The site's agent on a disk that misbehaves as `faults` say, from the moment on that the file at `arm` exists. */
const onDisk = (
  site: Site,
  cc: string,
  faults: Record<string, string>,
): { agent: Petrel; arm: () => void } => {
  mkdirSync(site.state, { mode: 0o700, recursive: true });
  const arm = join(site.folder, "armed");
  const agent = site.start(["run"], {
    env: {
      LD_PRELOAD: buildShim("disk", site.folder, cc),
      SHIM_FOLDER: site.state,
      SHIM_ARM: arm,
      ...faults,
    },
  });
  return { agent, arm: () => writeFileSync(arm, "") };
};

const goesOn = async (site: Site): Promise<void> => {
  const before = site.telemetry().length;
  const agent = site.start(["run"]);
  await site.server.waitUntil(() => site.telemetry().length > before + 1000, 20_000);
  expect((await stopped(agent)).code).toBe(0);
};

needs("cc", which("cc"), (cc) => {
  describe("a disk that", () => {
    it.each([1, 4, 20])(
      "fills up at the %ith write ends the run with one line, and the next start goes on from what was stored",
      async (nth) => {
        const site = await makeSite();
        const { agent, arm } = onDisk(site, cc, { SHIM_FAIL: `write:${nth}:${ENOSPC}` });
        await online(site, agent);
        arm();
        expectEnd(
          await agent.ended,
          4,
          /^Petrel cannot go on: .*no space left on the disk; free some and start again/,
        );
        await goesOn(site);
      },
    );

    it("fails to sync, even once, ends the run: a sync is not tried again as if nothing had happened", async () => {
      const site = await makeSite();
      const { agent, arm } = onDisk(site, cc, { SHIM_FAIL: `sync:2:${EIO}:once` });
      await online(site, agent);
      arm();
      expectEnd(
        await agent.ended,
        4,
        /^Petrel cannot go on: .*the disk did not take the data; .*check the disk \(dmesg\) and start again/,
      );
      await goesOn(site);
    });

    it("cannot be written is refused at the start, with a store on it and without", async () => {
      const site = await makeSite();
      for (const store of ["none", "there"]) {
        const { agent } = onDisk(site, cc, { SHIM_READ_ONLY: "1" });
        expectEnd(await agent.ended, 4, /^Petrel cannot start: .*(?:cannot be written|read-only).*/);
        if (store === "none") await goesOn(site);
      }
    });

    it("takes two seconds for each sync delays readings and ends nothing", { timeout: 120_000 }, async () => {
      const site = await makeSite();
      const { agent, arm } = onDisk(site, cc, { SHIM_SYNC_MS: "2000" });
      await online(site, agent);
      arm();
      const before = site.telemetry().length;
      await site.server.waitUntil(() => site.telemetry().length > before + 300, 60_000);
      const ended = await stopped(agent);
      expect(ended.code).toBe(0);
      expect(lines(ended.stderr, "error")).toEqual([]);
    });
  });
});

describe("a store", () => {
  const ran = async (): Promise<Site> => {
    const site = await makeSite();
    const agent = site.start(["run"]);
    await online(site, agent);
    expect((await stopped(agent)).code).toBe(0);
    return site;
  };

  it("with a damaged page is set aside and named, and the next start begins a new one", async () => {
    const site = await ran();
    const path = join(site.state, "petrel.db");
    const file = openSync(path, "r+");
    writeSync(file, new Uint8Array(2048).fill(0x5a), 0, 2048, Math.floor(statSync(path).size / 8192) * 4096);
    closeSync(file);
    const ended = await site.petrel(["run"]);
    expectEnd(
      ended,
      4,
      /^Petrel cannot start: .*integrity check .* was set aside as .*the next start begins with an empty store/,
    );
    expect(readdirSync(site.state).filter((name) => name.includes(".broken-"))).not.toEqual([]);
    await goesOn(site);
  });

  it("whose write-ahead log was deleted after a kill opens with what was in the database", async () => {
    const site = await makeSite();
    const agent = site.start(["run"]);
    await online(site, agent);
    agent.signal("SIGKILL");
    await agent.ended;
    rmSync(join(site.state, "petrel.db-wal"));
    await goesOn(site);
  });
});
