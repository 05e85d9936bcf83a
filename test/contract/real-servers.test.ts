// scripts/synapse.ts and scripts/dendrite.ts as programs: they say who may log in, and leave nothing behind however they end.
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { dendriteAvailable } from "#scripts/dendrite.ts";
import { synapseAvailable } from "#scripts/synapse.ts";
import { at, call, type Json, text } from "#test/peers/http.ts";
import { needs, which } from "#test/support/peers.ts";

const WAIT_MS = 20_000;

const script = (name: string): string => fileURLToPath(new URL(`../../scripts/${name}.ts`, import.meta.url));

const firstLine = async (child: ChildProcess): Promise<Json> => {
  if (child.stdout === null) throw new Error("stdout is a pipe");
  for await (const line of createInterface({ input: child.stdout })) return JSON.parse(line) as Json; // JSON.parse gives JSON
  throw new Error("the script ended without a line");
};

const isAlive = (pid: number): boolean => existsSync(`/proc/${pid}`);

const untilGone = async (pid: number): Promise<boolean> => {
  const deadline = performance.now() + WAIT_MS;
  while (isAlive(pid) && performance.now() < deadline)
    await new Promise((resolve) => setTimeout(resolve, 25));
  return !isAlive(pid);
};

/** Starts the script, uses a token it printed, ends it with `signal`; says how it and the server ended. */
const runAndEnd = async (name: string, signal: NodeJS.Signals): Promise<[number, number | null, boolean]> => {
  const folder = mkdtempSync(join(tmpdir(), "petrel-real-server-"));
  const args = [script(name), "--json", "--user", "alice:admin", "--folder", folder];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
  const exited = new Promise<number | null>((resolve) => child.once("close", resolve));
  const line = await firstLine(child);
  const token = text(line, "users", 0, "accessToken");
  const whoami = await call(text(line, "url"), "GET", "/_matrix/client/v3/account/whoami", { token });
  child.kill(signal);
  const ended = [await exited, await untilGone(Number(at(line, "pid")))] as const;
  rmSync(folder, { recursive: true, force: true });
  return [whoami.status, ...ended];
};

for (const [name, available] of [
  ["synapse", synapseAvailable()],
  ["dendrite", dendriteAvailable()],
] as const) {
  needs(name, available, () => {
    it(`${name} runs until interrupted and leaves no process`, async () => {
      expect(await runAndEnd(name, "SIGINT")).toEqual([200, 0, true]);
    }, 900_000);

    it.runIf(which("setpriv") !== null)(
      `${name} ends when its script is killed`,
      async () => {
        expect(await runAndEnd(name, "SIGKILL")).toEqual([200, null, true]);
      },
      900_000,
    );
  });
}
