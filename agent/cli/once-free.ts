// The start of an agent whose store somebody holds for a moment: a verb of the command line that found no agent running, or the agent before it on its last steps.
import { askAgent } from "#agent/control/client.ts";
import { pause, type Runtime } from "#agent/runtime.ts";
import { StoreError } from "#agent/store/store.ts";

/** A verb has the store for as long as one answer of the homeserver takes; a stop waits for its last messages. */
const WAIT_MS = 10_000;
const STEP_MS = 100;

const isHeld = (error: unknown): boolean => error instanceof StoreError && error.code === "LOCKED";

const agentRuns = async (socket: string): Promise<boolean> => {
  try {
    return (await askAgent(socket, { verb: "status", args: {} })) !== null;
  } catch {
    // Somebody is there and does not like us: no verb of ours.
    return true;
  }
};

/** Opens, and tries again while the store is held and no agent answers on its control socket. Rejects as `open` does. */
export const onceFree = async <T>(
  { log, timers }: Pick<Runtime, "log" | "timers">,
  socket: string,
  open: () => Promise<T>,
): Promise<T> => {
  for (let waitedMs = 0; ; waitedMs += STEP_MS) {
    try {
      return await open();
    } catch (error) {
      if (!isHeld(error) || waitedMs >= WAIT_MS || (await agentRuns(socket))) throw error;
    }
    if (waitedMs === 0) log.info({}, "another process has the store, and no agent runs: waiting for it");
    await pause(timers, STEP_MS);
  }
};
