// A FIFO between gpiomon and us. A child's stdout is a UNIX socket in Node, and one that holds 278 small writes; a pipe holds 64 KiB, about 1,300 edges,
// and Node reads it through epoll. It has a name only for the moment in which both ends are opened.
import { close, constants, open } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { Socket } from "node:net";
import { join } from "node:path";
import { promisify } from "node:util";
import { DriverError, type Timers } from "../driver.ts";
import { complaint, runTool } from "./tools.ts";

export interface Fifo {
  readonly reader: Socket;
  /** The writing end, to be given to a child and then closed here. */
  readonly writeFd: number;
  closeWriter(): Promise<void>;
}

const openFile = promisify(open);
const closeFile = promisify(close);

export const openFifo = async (temporary: string, timers: Timers): Promise<Fifo> => {
  const folder = await mkdtemp(join(temporary, "petrel-gpio-"));
  try {
    const path = join(folder, "edges");
    const made = await runTool("mkfifo", ["-m", "600", path], timers);
    if (made.code !== 0)
      throw new DriverError("UNAVAILABLE", `mkfifo in ${temporary}: ${complaint(made.errors)}`);
    // Opened for both, the FIFO has a writer at all times: the reader sees no end before gpiomon has opened it, and the child's end is seen by its exit.
    const readFd = await openFile(path, constants.O_RDWR | constants.O_NONBLOCK);
    const writeFd = await openFile(path, constants.O_WRONLY);
    const reader = new Socket({ fd: readFd, readable: true, writable: false });
    return { reader, writeFd, closeWriter: () => closeFile(writeFd) };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
};
