// Makes a serial port of the library notice a hang-up at once. When an adapter is pulled out while a read is due, Linux answers that read, and every
// one after it, with zero bytes (a terminal that was hung up: tty_io.c, `hung_up_tty_read`), and the library (bindings-cpp 13, unix-read) reads again without end: it never
// reports a close and keeps a processor busy. Here zero bytes are a lost device, which is what they mean as long as VMIN is 1.
import { read } from "node:fs";

/** What is used of an open port of the library on Linux and macOS; on Windows there is neither and its own read stays. */
interface UnixPort {
  fd: number | null;
  readonly poller: { once(event: "readable", callback: (error: Error | null) => void): unknown };
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

const readable = ({ poller }: UnixPort): Promise<void> =>
  new Promise((resolve, reject) => {
    poller.once("readable", (error) => {
      if (error === null) resolve();
      else reject(error);
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
};
