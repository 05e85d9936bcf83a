// A test file that leaves a socket, a server, a child process or a watcher behind fails here, with its kind named.
// vitest keeps timers and pipes of its own, so those are left out; a forgotten timer shows as the handle it re-arms.
import { afterAll } from "vitest";

const WATCHED = new Set([
  "TCPServerWrap",
  "TCPSocketWrap",
  "UDPWrap",
  "ProcessWrap",
  "FSEventWrap",
  "Worker",
]);
const SETTLE_ROUNDS = 200;

const open = (): string[] => process.getActiveResourcesInfo().filter((kind) => WATCHED.has(kind));

const nextTick = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 10));

// Closing is asynchronous in libuv: what has been asked to close gets two seconds to be gone.
const settled = async (baseline: number): Promise<string[]> => {
  for (let round = 0; round < SETTLE_ROUNDS && open().length > baseline; round += 1) await nextTick();
  return open();
};

const baseline: number = open().length;

afterAll(async () => {
  const left = await settled(baseline);
  if (left.length > baseline)
    throw new Error(`leaked handles: expected ${baseline} left open, got ${left.join(", ")}`);
});
