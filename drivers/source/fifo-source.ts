// A named pipe (FIFO) as a source of bytes. Opened for reading and writing, so that opening does not wait for a writer and a writer that leaves is
// no end of the pipe: any number of programs may write into it one after the other (`echo 21.5 > /run/petrel/temperature`).
import { constants, open as openDescriptor } from "node:fs";
import { Socket } from "node:net";
import { promisify } from "node:util";
import { DriverError } from "../driver.ts";
import type { ByteSource, SourceEvents } from "./source.ts";
import { systemError } from "./system-error.ts";

// A bare descriptor, since the socket takes it over and closes it; a FileHandle would close it a second time.
const openPipe: (path: string, flags: number) => Promise<number> = promisify(openDescriptor);

const FLAGS: number = constants.O_RDWR | constants.O_NONBLOCK;

export const fifoSource = (path: string): ByteSource => {
  let socket: Socket | null = null;

  const open = async (events: SourceEvents): Promise<void> => {
    const fd = await openPipe(path, FLAGS).catch((error: unknown) => {
      throw systemError(path, error);
    });
    const mine = new Socket({ fd, readable: true, writable: false });
    socket = mine;
    let failure: DriverError | null = null;
    mine.on("error", (error) => {
      failure = systemError(path, error);
    });
    mine.on("data", (chunk) => {
      if (socket === mine) events.data(chunk);
    });
    mine.once("close", () => {
      if (socket === mine)
        events.closed(failure ?? new DriverError("UNAVAILABLE", `${path}: the pipe was closed`));
    });
  };

  const close = async (): Promise<void> => {
    const mine = socket;
    socket = null;
    if (mine === null || mine.closed) return;
    await new Promise<void>((resolve) => mine.once("close", () => resolve()).destroy());
  };

  return {
    place: path,
    midStream: false,
    open,
    close,
    pause: () => void socket?.pause(),
    resume: () => void socket?.resume(),
  };
};
