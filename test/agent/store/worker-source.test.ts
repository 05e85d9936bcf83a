// A bundle has no checkpoint-worker.ts beside it: the worker comes from another file, or from a text.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { buildSync } from "esbuild";
import { describe, expect, it } from "vitest";
import type { WorkerSource } from "#agent/store/checkpoint.ts";
import { DEFAULT_POLICY } from "#agent/store/policy.ts";
import { idsOf, insert, openTestStore, temporaryFolder } from "./support.ts";

const ENTRY = fileURLToPath(new URL("../../../agent/store/checkpoint-worker.ts", import.meta.url));

const bundle = (format: "cjs" | "esm"): string =>
  buildSync({ entryPoints: [ENTRY], bundle: true, platform: "node", format, write: false }).outputFiles[0]
    ?.text ?? "";

const restartWith = async (workerUrl: WorkerSource): Promise<void> => {
  const path = join(temporaryFolder(), "petrel.db");
  const store = await openTestStore(path, {
    workerUrl,
    policy: { ...DEFAULT_POLICY, forcedBytes: 64 * 1024 },
  });
  const restarts = (): number =>
    store.read((database) => Number(database.prepare("SELECT count FROM store_restarts").get()?.["count"]));
  const before = restarts();
  let id = 0;
  for (; restarts() < before + 2; id += 1) {
    await insert(store, id, "x".repeat(1_000));
    await store.durable();
  }
  await store.close();
  expect(idsOf(await openTestStore(path))).toHaveLength(id);
};

describe("the checkpoint worker", () => {
  it("starts from a bundled file", async () => {
    const file = join(temporaryFolder(), "checkpoint-worker.mjs");
    writeFileSync(file, bundle("esm"));
    await restartWith({ url: pathToFileURL(file) });
  });

  it("starts from a text, as in a single executable", async () => {
    await restartWith({ source: bundle("cjs") });
  });

  it("that cannot be started ends the store instead of letting the log grow", async () => {
    const store = await openTestStore(join(temporaryFolder(), "petrel.db"), {
      workerUrl: { url: new URL("file:///nowhere/checkpoint-worker.mjs") },
      policy: { ...DEFAULT_POLICY, forcedBytes: 64 * 1024 },
    });
    const failed = new Promise((resolve) => store.failed.addEventListener("abort", resolve, { once: true }));
    for (let id = 0; id < 200; id += 1) await insert(store, id, "x".repeat(1_000));
    await failed;
    expect(store.failed.reason).toMatchObject({ code: "SYNC" });
  });
});
