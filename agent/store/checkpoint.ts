// Starts the worker that restarts the WAL, and turns what it answers into two moments: when transactions must wait, and when they may go on.
import { Worker } from "node:worker_threads";
import type { CheckpointMessage, CheckpointTask } from "./checkpoint-worker.ts";
import { asStoreError } from "./errors.ts";
import { CHECKPOINT_BUSY_MS, FREE_PAGES_KEPT, VACUUM_PAGES_MAX } from "./limits.ts";
import { StoreError } from "./store.ts";

/** Where the worker's code is: a file (unbuilt, or beside the bundle), or its text (a single executable has no files). */
export type WorkerSource = { readonly url: URL } | { readonly source: string };

export const UNBUILT_WORKER: WorkerSource = { url: new URL("./checkpoint-worker.ts", import.meta.url) };

export interface CheckpointRun {
  readonly path: string;
  readonly walIdentity: string;
  readonly source: WorkerSource;
  readonly mode: CheckpointTask["mode"];
  /** Called when the worker has copied what it could beside the running transactions: none may begin after this returns, until the run ends. */
  readonly onReady: () => void;
}

// A warning about node:sqlite being experimental belongs to the program, which says it once or not at all; the worker would say it at every restart.
const EXEC_ARGV: readonly string[] = ["--disable-warning=ExperimentalWarning"];

const startWorker = (source: WorkerSource, workerData: CheckpointTask): Worker => {
  const execArgv = [...EXEC_ARGV];
  if ("url" in source) return new Worker(source.url, { workerData, execArgv });
  return new Worker(source.source, { eval: true, workerData, execArgv });
};

const taskOf = (run: CheckpointRun): CheckpointTask => ({
  path: run.path,
  walIdentity: run.walIdentity,
  busyMs: CHECKPOINT_BUSY_MS,
  freePagesKept: FREE_PAGES_KEPT,
  vacuumPagesMax: VACUUM_PAGES_MAX,
  mode: run.mode,
});

type Answer = Exclude<CheckpointMessage, { readonly type: "ready" }>;

/** The worker's answer, once its thread has ended: nothing of it may outlive the run. */
const answerOf = (worker: Worker, onReady: () => void): Promise<Answer> =>
  new Promise((resolve, reject) => {
    let answer: Answer | null = null;
    worker.on("message", (message: CheckpointMessage) => {
      if (message.type !== "ready") {
        answer = message;
        return;
      }
      onReady();
      worker.postMessage("go");
    });
    worker.once("error", reject);
    worker.once("exit", (code) => {
      if (answer !== null) resolve(answer);
      else reject(new StoreError("SYNC", `checkpoint: the worker ended with ${code} before its answer`));
    });
  });

/** One restart of the WAL. Resolves with false when a reader prevented it; rejects with a StoreError after which the store cannot go on. */
export const runCheckpoint = async (run: CheckpointRun): Promise<boolean> => {
  const what = `checkpoint of ${run.path}`;
  try {
    const answer = await answerOf(startWorker(run.source, taskOf(run)), run.onReady);
    if (answer.type === "done") return !answer.busy;
    // A plain object: the error itself does not cross the thread, its codes do.
    throw asStoreError({ code: answer.code, errcode: answer.errcode, message: answer.message }, what);
  } catch (error) {
    throw asStoreError(error, what);
  }
};
