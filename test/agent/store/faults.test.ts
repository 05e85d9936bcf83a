// A disk that fails: after the first failure nothing is reported durable any more, the process says so and stops, and what it had reported is there
// at the next start. Some of the calls here; faults.long.test.ts goes through them one by one.
import { readdirSync } from "node:fs";
import { constants } from "node:os";
import { describe, expect, it } from "vitest";
import { needs, which } from "#test/support/peers.ts";
import { FAULTS, nameOf, prepareScene, type Scene, startShimmed, survives } from "./faulty.ts";
import { type Child, openTestStore } from "./support.ts";

const { EIO, ENOSPC } = constants.errno;

const NTH = [1, 60];

/** Until the fault is met: how many syncs a restart needs depends on how many sources share one, and that on the disk's speed. */
const RESTARTS = 1_000_000;

const start = (scene: Scene, env: Record<string, string>): Child =>
  startShimmed(scene, { scenario: "produce", restarts: 0 }, { SHIM_ARM: scene.root, ...env });

needs("cc", which("cc"), (cc) => {
  describe("a store keeps its word when", () => {
    for (const fault of FAULTS)
      it(nameOf(fault), async () => {
        for (const nth of NTH) expect(await survives(cc, fault, nth, RESTARTS)).toBe(true);
      });

    for (const fault of FAULTS.filter(({ lasting }) => lasting === "once")) {
      const inWorker = { ...fault, file: "petrel.db" } as const;
      it(`${nameOf(inWorker)}, in the worker`, async () => {
        expect(await survives(cc, inWorker, 1)).toBe(true);
      });
    }
  });

  describe("a disk that cannot be used at the start", () => {
    it("because it is read-only is refused with READ_ONLY", async () => {
      const child = start(prepareScene(cc), { SHIM_READ_ONLY: "1" });
      expect(await child.ended).toBe("4");
      expect(child.lines.join()).toMatch(/refused READ_ONLY .*read-only/);
    });

    it("because it became read-only is refused with READ_ONLY, and nothing is set aside", async () => {
      const scene = prepareScene(cc);
      await (await openTestStore(scene.path)).close();
      const child = start(scene, { SHIM_READ_ONLY: "1" });
      expect(await child.ended).toBe("4");
      expect(child.lines.join()).toMatch(/refused READ_ONLY/);
      expect(readdirSync(scene.folder).join()).not.toContain("broken");
    });

    it("because it is full is refused with FULL, and nothing is set aside", async () => {
      const scene = prepareScene(cc);
      const child = start(scene, { SHIM_FAIL: `write:4:${ENOSPC}` });
      expect(await child.ended).toBe("4");
      expect(child.lines.join()).toMatch(/refused FULL .*free some/);
      expect(readdirSync(scene.folder).join()).not.toContain("broken");
      await openTestStore(scene.path);
    });

    it("because a sync fails is refused with SYNC, and nothing is set aside", async () => {
      const scene = prepareScene(cc);
      for (const nth of [1, 4]) {
        const child = start(scene, { SHIM_FAIL: `sync:${nth}:${EIO}` });
        expect(await child.ended).toBe("4");
        expect(child.lines.join()).toMatch(/refused SYNC/);
      }
      expect(readdirSync(scene.folder).join()).not.toContain("broken");
      await openTestStore(scene.path);
    });
  });
});
