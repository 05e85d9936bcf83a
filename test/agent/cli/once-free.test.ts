// An agent that starts while somebody else has the store for a moment.
import { createServer } from "node:net";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { onceFree } from "#agent/cli/once-free.ts";
import { takeLock } from "#agent/store/lock.ts";
import { testRuntime } from "#test/agent/matrix/support.ts";
import { temporaryFolder } from "../whole-agent.ts";

const place = (): { readonly store: string; readonly socket: string } => {
  const folder = temporaryFolder();
  return { store: join(folder, "petrel.db"), socket: join(folder, "control.sock") };
};

it("waits for a verb that holds it", async () => {
  const { socket, store } = place();
  const held = takeLock(store, "a verb");
  const runtime = testRuntime(10);
  let tries = 0;
  const lock = await onceFree(runtime, socket, () => {
    tries += 1;
    if (tries === 3) held.release();
    return Promise.resolve().then(() => takeLock(store, "the agent"));
  });
  lock.release();
  expect(tries).toBe(3);
  expect(runtime.lines.map(({ message }) => message)).toEqual([
    "another process has the store, and no agent runs: waiting for it",
  ]);
});

it("gives up after a while, and says who holds it", async () => {
  const { socket, store } = place();
  const held = takeLock(store, "pid 4711");
  onTestFinished(() => held.release());
  const opened = onceFree(testRuntime(1000), socket, () =>
    Promise.resolve().then(() => takeLock(store, "the agent")),
  );
  await expect(opened).rejects.toThrow("another process holds it (pid 4711)");
});

it("does not wait for an agent that runs", async () => {
  const { socket, store } = place();
  const held = takeLock(store, "the agent");
  const server = createServer((connection) => connection.resume().end('{"result":{}}\n'));
  await new Promise<void>((resolve) => server.listen(socket, resolve));
  onTestFinished(async () => {
    held.release();
    await new Promise((resolve) => server.close(resolve));
  });
  let tries = 0;
  const opened = onceFree(testRuntime(1000), socket, () => {
    tries += 1;
    return Promise.resolve().then(() => takeLock(store, "a second one"));
  });
  await expect(opened).rejects.toThrow("another process holds it");
  expect(tries).toBe(1);
});

it("does not wait after any other failure", async () => {
  const { socket } = place();
  const opened = onceFree(testRuntime(1000), socket, () => Promise.reject(new Error("no such disk")));
  await expect(opened).rejects.toThrow("no such disk");
});
