// The single executables, and the ordinary bundle on every line of Node that it is made for.
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { buildAgent } from "#scripts/build.ts";
import { type Architecture, nodePackage } from "#scripts/package/architecture.ts";
import { fetchedNode } from "#scripts/package/node-binary.ts";
import { hostArchitecture, packageAgent } from "#scripts/package.ts";
import { createPty } from "#test/drivers/pty.ts";
import { needs, which } from "#test/support/peers.ts";
import { checked, output, type Program, runUntil } from "./shipped-agent.ts";

const ROOT = resolve(import.meta.dirname, "../..");
const MIB = 2 ** 20;
const { version } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as { version: string };

const SIMULATOR = "drone: { type: simulator, model: drone, interval_ms: 100 }";
const SIMULATED = "battery/voltage";
/** The word of a configuration without a mistake. */
const RIGHT = "right (3 drivers";

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "petrel-executable-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A line that a device says, through a real pty, into the room. */
const serialLine = async (program: Program, socat: string): Promise<void> => {
  const pty = await createPty(socat);
  onTestFinished(() => pty.dispose());
  await pty.plugIn();
  // Said again and again: what comes before the port is open is lost, as on a real line.
  const saying = setInterval(() => pty.say("21.5\r\n"), 100);
  onTestFinished(() => clearInterval(saying));
  const drivers = `line: { type: serial, path: ${pty.path}, framing: { type: lines }, readings: [{ name: temperature, type: number }] }`;
  const { exitCode, firstReadingMs, readings, said } = await runUntil(program, drivers, "temperature");
  expect({ value: readings[0]?.value, exitCode, said }).toMatchObject({ value: 21.5, exitCode: 0 });
  // On Node 26 the binding's callbacks do not run promises by themselves (drivers/source/serial-hangup.ts): a line waited 10 s.
  expect(firstReadingMs).toBeLessThan(8000);
};

/** Readings arrive. The store's worker runs as the agent stops (it empties the log): did it fail, the exit code would not be 0. */
const runsWhole = async (program: Program): Promise<number> => {
  const { exitCode, firstReadingMs, readings, said } = await runUntil(program, SIMULATOR, SIMULATED);
  expect(readings.length).toBeGreaterThan(0);
  expect(said).not.toContain("Warning");
  expect(exitCode, said).toBe(0);
  return firstReadingMs;
};

const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN;

describe("a single executable for this machine", () => {
  const program = (): Program => [join(folder, `petrel-linux-${hostArchitecture()}`)];

  beforeAll(async () => {
    await packageAgent({ arch: hostArchitecture(), out: folder });
  });

  it("says its version, in half a second, and has one file", () => {
    const times = Array.from({ length: 5 }, () => {
      const begun = performance.now();
      expect(output(program(), "--version")).toBe(`${version}\n`);
      return performance.now() - begun;
    });
    const size = statSync(program()[0]).size / MIB;
    console.log(
      `executable: ${size.toFixed(0)} MiB, --version in ${median(times).toFixed(0)} ms (median of 5)`,
    );
    expect(size).toBeLessThan(140);
    expect(median(times)).toBeLessThan(2000);
  });

  it("checks a configuration that names serial, MQTT and GPIO", () => {
    expect(checked(program())).toContain(RIGHT);
  });

  it("runs: a simulated drone's readings arrive, and the checkpoint worker starts from its text", async () => {
    const firstReadingMs = await runsWhole(program());
    console.log(`executable: first reading in the room after ${firstReadingMs.toFixed(0)} ms`);
  });

  needs("socat", which("socat"), (socat) => {
    it("reads a serial line with the binding that is in it", () => serialLine(program(), socat));
  });
});

const foreign: Architecture = hostArchitecture() === "x64" ? "arm64" : "x64";
const emulators = {
  arm64: ["qemu-aarch64-static", "aarch64-linux-gnu"],
  x64: ["qemu-x86_64-static", "x86_64-linux-gnu"],
};

/** An emulator for the other architecture, with that one's C library (Debian: qemu-user-static, libc6-arm64-cross, libstdc++6-arm64-cross). */
const emulator = (): Program | null => {
  const [name = "", triple = ""] = emulators[foreign];
  const [found, root] = [which(name), `/usr/${triple}`];
  return found === null || !existsSync(join(root, "lib/libstdc++.so.6")) ? null : [found, "-L", root];
};

describe(`a single executable for ${foreign}`, () => {
  const path = (): string => join(folder, `petrel-linux-${foreign}`);

  beforeAll(async () => {
    await packageAgent({ arch: foreign, out: folder });
  });

  it("is a program for that machine", () => {
    // ELF header: e_machine at byte 18 (elf(5)).
    expect(readFileSync(path()).readUInt16LE(18)).toBe(foreign === "arm64" ? 183 : 62);
  });

  needs("qemu-user-static", emulator(), (program) => {
    it("says its version and checks a configuration, emulated", () => {
      expect(output([...program, path()], "--version")).toBe(`${version}\n`);
      expect(checked([...program, path()])).toContain(RIGHT);
    });

    it("runs, emulated: readings arrive", async () => {
      await runsWhole([...program, path()]);
    });
  });
});

describe.each(["22.23.3", "24.21.0", "26.10.0"])("the ordinary bundle on Node %s", (node) => {
  // In the project's folder, where the optional native packages are found.
  const bundle = join(ROOT, `.cache/shipped-${process.pid}-${node}`);
  let program: Program = [""];

  beforeAll(async () => {
    mkdirSync(bundle, { recursive: true });
    await buildAgent(bundle);
    const binary = await fetchedNode(`${nodePackage(hostArchitecture())}@${node}`, console.log);
    program = [binary, join(bundle, "petrel.mjs")];
  });
  afterAll(() => rmSync(bundle, { recursive: true, force: true }));

  it("says its version and checks a configuration", () => {
    expect(output([program[0]], "--version")).toBe(`v${node}\n`);
    expect(output(program, "--version")).toBe(`${version}\n`);
    expect(checked(program)).toContain(RIGHT);
  });

  it("runs: a simulated drone's readings arrive, and the checkpoint worker ends its work", async () => {
    await runsWhole(program);
  });

  needs("socat", which("socat"), (socat) => {
    it("reads a serial line", () => serialLine(program, socat));
  });
});
