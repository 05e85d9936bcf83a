import { spawn } from "node:child_process";
import { once } from "node:events";
import { appendFile, mkdtemp, rename, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { Driver } from "#drivers/driver.ts";
import { file } from "#drivers/file.ts";
import { testDriver } from "./conformance.ts";
import { advanceUntil, createHarness, type Harness, until } from "./harness.ts";

const tempFolder = (): Promise<string> => mkdtemp(join(tmpdir(), "petrel-file-"));

testDriver("file", {
  vanishes: true,
  writes: false,
  garbles: true,
  open: async () => {
    const folder = await tempFolder();
    const path = join(folder, "log");
    const options = file.schema.parse({ path, framing: { type: "json-lines" } });
    // A followed file is looked at by the driver's own timer, so the bench moves it.
    const add = async (text: string): Promise<void> => appendFile(path, text).catch(() => undefined);
    return {
      create: (context) => file.create("log", options, context),
      appear: () => writeFile(path, ""),
      vanish: () => rm(path),
      produce: async (harness) => {
        await add('{"v":1}\n');
        const before = harness.emitted.length;
        if (harness.state() === "up")
          await advanceUntil(harness, () => harness.emitted.length > before, "the line", 250);
      },
      garble: async (harness) => {
        await add("{v\n");
        await advanceUntil(harness, () => harness.counted("malformed") > 0, "the line", 250);
      },
      dispose: () => rm(folder, { recursive: true }),
    };
  },
});

interface Scene {
  readonly harness: Harness;
  readonly path: string;
  readonly folder: string;
  start(options?: object): Promise<Driver>;
  values(): unknown[];
  expectValues(values: unknown[]): Promise<void>;
}

const withFile = async (content: string | null, test: (scene: Scene) => Promise<void>): Promise<void> => {
  const folder = await tempFolder();
  const path = join(folder, "log");
  if (content !== null) await writeFile(path, content);
  const harness = createHarness();
  const drivers: Driver[] = [];
  const values = (): unknown[] => harness.readings().map(({ value }) => value);
  try {
    await test({
      harness,
      path,
      folder,
      values,
      start: async (options = {}) => {
        const driver = file.create("log", file.schema.parse({ path, ...options }), harness.context);
        drivers.push(driver);
        await driver.start();
        await until(() => ["up", "stopped"].includes(harness.state() ?? ""), "the file to be open");
        return driver;
      },
      expectValues: async (expected) => {
        await advanceUntil(
          harness,
          () => values().length >= expected.length,
          `${expected.length} values`,
          250,
        );
        expect(values()).toEqual(expected);
      },
    });
  } finally {
    for (const driver of drivers) await driver.stop();
    await rm(folder, { recursive: true });
  }
};

describe("a file that is followed", () => {
  it("gives only what is new, and what is old too when told", async () => {
    await withFile("1\n2\n", async ({ path, start, expectValues }) => {
      await start();
      await appendFile(path, "3\n");
      await expectValues([3]);
    });
    await withFile("1\n2\n", async ({ path, start, expectValues }) => {
      await start({ from: "start" });
      await appendFile(path, "3\n");
      await expectValues([1, 2, 3]);
    });
  });

  it("does not take the end of a half-written line for a value", () =>
    withFile("1\n23", async ({ path, start, expectValues }) => {
      await start();
      await appendFile(path, ".5\n7\n");
      await expectValues([23.5, 7]);
    }));

  it("goes on with the new file after a rotation, and loses nothing of the old one", () =>
    withFile("", async ({ path, folder, start, expectValues }) => {
      await start();
      await appendFile(path, "1\n");
      await expectValues([1]);
      await appendFile(path, "2\n");
      await rename(path, join(folder, "log.1"));
      await appendFile(join(folder, "log.1"), "3\n");
      await writeFile(path, "4\n");
      await expectValues([1, 2, 3, 4]);
    }));

  it("starts over after a truncation", () =>
    withFile("", async ({ path, start, expectValues }) => {
      await start();
      await appendFile(path, "1\n2\n");
      await expectValues([1, 2]);
      await truncate(path, 0);
      await appendFile(path, "3\n");
      await expectValues([1, 2, 3]);
    }));

  it("reads what was written just before the file was deleted, and a new one from its beginning", () =>
    withFile("", async ({ harness, path, start, expectValues }) => {
      await start();
      await appendFile(path, "1\n");
      await rm(path);
      await advanceUntil(harness, () => harness.state() === "down", "down");
      expect(harness.states.at(-1)?.detail).toMatch(/the file is gone; it is read again when it is back/);
      await writeFile(path, "2\n");
      await expectValues([1, 2]);
    }));
});

describe("a file that was away", () => {
  it("is read from where it was left when the same one is back", () =>
    withFile("", async ({ harness, path, folder, start, expectValues }) => {
      await start();
      await appendFile(path, "1\n");
      await expectValues([1]);
      await rename(path, join(folder, "aside"));
      await advanceUntil(harness, () => harness.state() === "down", "down");
      await appendFile(join(folder, "aside"), "2\n");
      await rename(join(folder, "aside"), path);
      await expectValues([1, 2]);
    }));
});

describe("a file that is read once", () => {
  it("is read from beginning to end, its last line with or without an end, and then the driver stops", () =>
    withFile("1\n2\n3", async ({ harness, path, start, expectValues }) => {
      await start({ follow: false });
      await until(() => harness.state() === "stopped", "the end");
      await expectValues([1, 2, 3]);
      expect(harness.states.at(-1)?.detail).toBe(`${path} was read to its end`);
      expect(harness.counted("partial")).toBe(0);
    }));

  it("waits for a slow emit instead of dropping", () =>
    withFile(
      Array.from({ length: 100_000 }, (_, index) => `${index}\n`).join(""),
      async ({ harness, start, values }) => {
        harness.emitMode = "hold";
        await start({ follow: false });
        await until(
          () => {
            harness.release();
            return values().length === 100_000;
          },
          "all lines",
          20_000,
        );
        expect(values().every((value, index) => value === index)).toBe(true);
        expect(harness.counted("dropped")).toBe(0);
      },
    ));
});

describe("a path that is no file", () => {
  it("is refused with a sentence, a folder as well as a device", () =>
    withFile(null, async ({ harness, folder }) => {
      for (const [path, sentence] of [
        [folder, /neither a file nor a named pipe/],
        ["/dev/null", /neither a file nor a named pipe/],
      ] as const) {
        const driver = file.create("x", file.schema.parse({ path }), harness.context);
        await driver.start();
        await until(() => harness.state() === "down", "down");
        expect(harness.states.at(-1)?.detail).toMatch(sentence);
        await driver.stop();
      }
    }));
});

describe("a named pipe", () => {
  const run = async (command: string, ...args: string[]): Promise<void> => {
    await once(spawn(command, args, { stdio: "ignore" }), "close");
  };

  it("takes lines from one writer after the other", () =>
    withFile(null, async ({ path, start, expectValues }) => {
      await run("mkfifo", path);
      await start();
      await run("sh", "-c", `echo 1 > ${path}`);
      await run("sh", "-c", `printf '2\\n3\\n' > ${path}`);
      await expectValues([1, 2, 3]);
    }));
});
