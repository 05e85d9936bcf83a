// Makes a serial port of the library notice a hang-up at once. When an adapter is pulled out while a read is due, Linux answers that read, and every
// one after it, with zero bytes (a terminal that was hung up: tty_io.c, `hung_up_tty_read`), and the library (bindings-cpp 13, unix-read) reads again without end: it never
// reports a close and keeps a processor busy. Here zero bytes are a lost device, which is what they mean as long as VMIN is 1.
//
// And it keeps the library awake on Node 26. The binding's poller calls back without telling Node (poller.cpp, `callback.Call` in a callback of libuv), so nothing
// runs the promises that such a callback settles until something else wakes Node: a line was read 10 s late. What Node itself completes does run them.
import { fstat, read } from "node:fs";

/** What is used of an open port of the library on Linux and macOS; on Windows there is neither and its own read stays. */
interface UnixPort {
  fd: number | null;
  readonly poller: {
    once(event: "readable", callback: (error: Error | null) => void): unknown;
    on(event: "writable", callback: () => void): unknown;
  };
  read(buffer: Buffer, offset: number, length: number): Promise<{ buffer: Buffer; bytesRead: number }>;
}

const isUnixPort = (port: object): port is UnixPort => "fd" in port && "poller" in port && "read" in port;

const readOnce = (fd: number, buffer: Buffer, offset: number, length: number): Promise<number> =>
  new Promise((resolve, reject) => {
    read(fd, buffer, offset, length, null, (error, bytesRead) => {
      if (error === null) resolve(bytesRead);
      else reject(error);
    });
  });

/** Waits until there is something to read. Settled by a call that Node completes, never by the poller's own callback. */
const readable = ({ fd, poller }: UnixPort): Promise<void> =>
  new Promise((resolve, reject) => {
    poller.once("readable", (error) => {
      const settle = (): void => {
        if (error === null) resolve();
        else reject(error);
      };
      if (fd === null) settle();
      else fstat(fd, settle);
    });
  });

const wouldBlock = (error: unknown): boolean =>
  error instanceof Error &&
  "code" in error &&
  ["EAGAIN", "EWOULDBLOCK", "EINTR"].includes(String(error.code));

/** The library takes an error with this mark for "was closed on purpose". */
const cancelled = (): Error => Object.assign(new Error("the port was closed"), { canceled: true });

const guardedRead = async (port: UnixPort, buffer: Buffer, offset: number, length: number) => {
  while (port.fd !== null) {
    try {
      const bytesRead = await readOnce(port.fd, buffer, offset, length);
      if (bytesRead === 0) throw new Error("the line was hung up");
      return { buffer, bytesRead };
    } catch (error) {
      if (!wouldBlock(error)) throw error;
      if (port.fd !== null) await readable(port);
    }
  }
  throw cancelled();
};

/** To be called when the port is open and before its first read. */
export const noticeHangUp = (port: object | undefined): void => {
  if (port === undefined || !isUnixPort(port)) return;
  port.read = (buffer, offset, length) => guardedRead(port, buffer, offset, length);
  // The library waits with a promise of its own until it can write on.
  port.poller.on("writable", () => {
    if (port.fd !== null) fstat(port.fd, () => undefined);
  });
};
