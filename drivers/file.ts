// Driver `file`: a file that grows (a log of another program), a file read once, or a named pipe that other programs write into.
//
//   lora: { type: file, path: /var/log/lora.jsonl, framing: { type: json-lines } }
//
// Where reading stopped is not kept over a restart of the agent: a followed file is then read from its end (or its beginning) again.
import { stat } from "node:fs/promises";
import * as z from "zod";
import { type BytesOptions, bytesKind, bytesShape } from "./bytes.ts";
import type { DriverKind, Timers } from "./driver.ts";
import { fifoSource } from "./source/fifo-source.ts";
import { type FilePlan, fileSource } from "./source/file-source.ts";
import type { ByteSource } from "./source/source.ts";
import { systemError } from "./source/system-error.ts";

export type FileOptions = FilePlan & BytesOptions;

/** A pipe and a regular file are read in different ways; which of them the path is shows at each opening. */
const fileOrPipe = (plan: FilePlan, timers: Timers): ByteSource => {
  const [file, pipe] = [fileSource(plan, timers), fifoSource(plan.path)];
  let current = file;
  return {
    place: plan.path,
    midStream: false,
    open: async (events) => {
      const stats = await stat(plan.path).catch((error: unknown) => {
        throw systemError(plan.path, error);
      });
      current = stats.isFIFO() ? pipe : file;
      await current.open(events);
    },
    close: () => current.close(),
    pause: () => current.pause?.(),
    resume: () => current.resume?.(),
  };
};

export const file: DriverKind<FileOptions> = bytesKind(
  "file",
  z.strictObject({
    path: z.string().min(1).describe("A regular file or a named pipe (made with mkfifo)."),
    follow: z
      .boolean()
      .default(true)
      .describe(
        "Wait for more, through rotation and truncation. Off: the file is read once from its beginning, then the driver stops.",
      ),
    from: z
      .enum(["start", "end"])
      .default("end")
      .describe(
        "Where reading begins when the agent starts: only what is new (end), or all of it again (start).",
      ),
    poll_ms: z
      .int()
      .min(20)
      .max(60_000)
      .default(250)
      .describe("How often a followed file is looked at, in milliseconds."),
    ...bytesShape,
  }),
  (options, { timers }) => fileOrPipe(options, timers),
);
