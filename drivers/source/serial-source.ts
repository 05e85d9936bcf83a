// A serial line as a source of bytes, on the two optional packages that `serialport` is made of: its stream and its native binding with prebuilt binaries.
// The package `serialport` itself would add its parsers and a mock, fourteen packages that nothing here uses. Loaded only here.
// The library neither reconnects nor knows of plugging; when the adapter goes, it reports a close with an error, and ../reconnect.ts opens anew.
// Facts about opening (edge.md section 2.16): on Linux `hupcl: false` only keeps DTR from dropping on close; the first open after plugging in may
// still reset a board, so a boot banner is to be expected.
import { readdir } from "node:fs/promises";
import type { AutoDetectTypes } from "@serialport/bindings-cpp";
import type { SerialPortStream } from "@serialport/stream";
import { DriverError } from "../driver.ts";
import { noticeHangUp } from "./serial-hangup.ts";
import type { ByteSource, SourceEvents } from "./source.ts";

export interface SerialLine {
  readonly path: string;
  readonly baud: number;
  readonly data_bits: 5 | 6 | 7 | 8;
  readonly parity: "none" | "even" | "odd" | "mark" | "space";
  readonly stop_bits: 1 | 1.5 | 2;
  readonly rtscts: boolean;
  readonly xonxoff: boolean;
  readonly hupcl: boolean;
  readonly lock: boolean;
}

type SerialPort = SerialPortStream<AutoDetectTypes>;

/** The part of the packages that is used; a parameter so that its absence can be shown. */
export interface SerialLibrary {
  readonly SerialPortStream: typeof SerialPortStream;
  readonly binding: AutoDetectTypes;
}

const loadLibrary = async (): Promise<SerialLibrary> => {
  const [stream, bindings] = await Promise.all([
    import("@serialport/stream"),
    import("@serialport/bindings-cpp"),
  ]);
  return { SerialPortStream: stream.SerialPortStream, binding: bindings.autoDetect() };
};

const missingLibrary = (cause: unknown): DriverError =>
  new DriverError(
    "CONFIG",
    "serial lines need the optional packages @serialport/stream and @serialport/bindings-cpp, which are not installed or have no binary for this machine; install them with: npm install @serialport/stream@13 @serialport/bindings-cpp@13",
    { cause },
  );

const BY_ID = "/dev/serial/by-id";

/** The adapters that are plugged in, as a hint: names under by-id stay the same when an adapter comes back. */
const presentPorts = async (): Promise<string> => {
  const names = await readdir(BY_ID).catch(() => []);
  if (names.length === 0) return "no USB serial adapter is plugged in";
  return `plugged in: ${names
    .slice(0, 5)
    .map((name) => `${BY_ID}/${name}`)
    .join(", ")}`;
};

// The binding gives sentences instead of codes; these are its own words and those of strerror.
const explain = async (path: string, error: Error): Promise<DriverError> => {
  const said = error.message;
  const make = (code: DriverError["code"], text: string): DriverError =>
    new DriverError(code, `${path}: ${text}`, { cause: error });
  if (/no such file/i.test(said))
    return make("UNAVAILABLE", `no such port; plug it in, or correct path (${await presentPorts()})`);
  if (/no such device|not a directory/i.test(said))
    return make("UNAVAILABLE", "the device is not there; plug it in");
  if (/permission denied|operation not permitted/i.test(said))
    return make(
      "DENIED",
      "permission denied; add the agent's user to the group dialout (usermod -aG dialout USER) and restart it",
    );
  if (/cannot lock|resource temporarily|busy/i.test(said))
    return make(
      "BUSY",
      `held by another process; stop that one (fuser -v ${path} shows it; a login console or ModemManager are usual)`,
    );
  if (/inappropriate ioctl/i.test(said))
    return make("CONFIG", "is not a serial port; name a tty device, or use the driver file");
  if (/invalid argument|baud/i.test(said))
    return make(
      "CONFIG",
      `the port does not take these settings; check baud, data_bits and stop_bits (${said})`,
    );
  return make("UNAVAILABLE", `cannot be opened: ${said}`);
};

const gone = (path: string, cause: unknown): DriverError =>
  new DriverError(
    "UNAVAILABLE",
    `${path}: the port is gone (unplugged?); it is opened again when it is back`,
    { cause },
  );

const portOptions = (line: SerialLine) => ({
  path: line.path,
  baudRate: line.baud,
  dataBits: line.data_bits,
  parity: line.parity,
  stopBits: line.stop_bits,
  rtscts: line.rtscts,
  xon: line.xonxoff,
  xoff: line.xonxoff,
  hupcl: line.hupcl,
  lock: line.lock,
  autoOpen: false as const,
});

const listen = (port: SerialPort, path: string, events: SourceEvents, isCurrent: () => boolean): void => {
  // Before the listener for data, whose first read waits for the same event.
  port.once("open", () => noticeHangUp(port.port));
  port.on("data", (chunk: Uint8Array) => {
    if (isCurrent()) events.data(chunk);
  });
  port.on("close", (error: unknown) => {
    if (isCurrent()) events.closed(gone(path, error));
  });
  // Read and write errors come here and, by the library's own order, before a close: a port with an error is not used any further.
  port.on("error", (error) => {
    if (isCurrent()) events.closed(gone(path, error));
  });
};

const openPort = (port: SerialPort, path: string): Promise<void> =>
  new Promise((resolve, reject) => {
    port.open((error) => {
      if (error === null || error === undefined) resolve();
      else void explain(path, error).then(reject);
    });
  });

const closePort = (port: SerialPort): Promise<void> =>
  new Promise((resolve) => {
    if (port.isOpen) port.close(() => resolve());
    else resolve();
  });

const writePort = (port: SerialPort, path: string, bytes: Uint8Array): Promise<void> =>
  new Promise((resolve, reject) => {
    port.write(Buffer.from(bytes), (error) => {
      if (error === null || error === undefined) resolve();
      else reject(gone(path, error));
    });
  });

export const serialSource = (
  line: SerialLine,
  load: () => Promise<SerialLibrary> = loadLibrary,
): ByteSource => {
  let library: SerialLibrary | null = null;
  let port: SerialPort | null = null;
  let opening: Promise<void> = Promise.resolve();

  const prepare = async (): Promise<void> => {
    library ??= await load().catch((error: unknown) => {
      throw missingLibrary(error);
    });
  };

  const open = async (events: SourceEvents): Promise<void> => {
    await prepare();
    if (library === null) throw missingLibrary(null);
    const mine = new library.SerialPortStream({ ...portOptions(line), binding: library.binding });
    port = mine;
    listen(mine, line.path, events, () => port === mine);
    opening = openPort(mine, line.path);
    await opening;
    if (port !== mine) throw new DriverError("CLOSED", `${line.path}: closed while it was opened`);
  };

  const close = async (): Promise<void> => {
    const mine = port;
    port = null;
    // An opening port cannot be cancelled; it is closed as soon as it is open.
    await opening.catch(() => undefined);
    if (mine !== null) await closePort(mine);
  };

  const write = async (bytes: Uint8Array): Promise<void> => {
    if (port === null) throw new DriverError("CLOSED", `${line.path}: the port is not open`);
    await writePort(port, line.path, bytes);
  };

  return { place: line.path, midStream: true, prepare, open, write, close };
};
