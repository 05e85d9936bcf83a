// TCP as a source of bytes, in two forms: a client of a device that listens, and a listener for a device that calls.
// Both can wait: a paused socket fills its window, and the peer stops sending. A connection closed by the peer cuts the message that was under way.
import { connect, createServer, type Server, type Socket } from "node:net";
import { DriverError, type Timers } from "../driver.ts";
import { CONNECT_TIMEOUT_MS, KEEPALIVE_MS } from "../limits.ts";
import type { ByteSource, SourceEvents } from "./source.ts";
import { systemError } from "./system-error.ts";

export interface Endpoint {
  readonly host: string;
  readonly port: number;
}

const placeOf = ({ host, port }: Endpoint): string =>
  `tcp ${host.includes(":") ? `[${host}]` : host}:${port}`;

const writeSocket = (socket: Socket, place: string, bytes: Uint8Array): Promise<void> =>
  new Promise((resolve, reject) => {
    socket.write(Buffer.from(bytes), (error) => {
      if (error === null || error === undefined) resolve();
      else reject(systemError(place, error));
    });
  });

const destroyed = (socket: Socket): Promise<void> =>
  new Promise((resolve) => {
    if (socket.closed) resolve();
    else socket.once("close", () => resolve()).destroy();
  });

const hungUp = (place: string): DriverError =>
  new DriverError("UNAVAILABLE", `${place}: the other side closed the connection`);

/** Resolves when the socket is connected; whatever goes wrong before is a rejection. */
const connected = (socket: Socket, place: string, timers: Timers): Promise<void> =>
  new Promise((resolve, reject) => {
    const cancel = timers.after(CONNECT_TIMEOUT_MS, () => {
      socket.destroy(
        new DriverError(
          "TIMEOUT",
          `${place}: no answer within ${CONNECT_TIMEOUT_MS / 1000} s; check that the device is on and reachable`,
        ),
      );
    });
    socket.once("connect", () => {
      cancel();
      resolve();
    });
    socket.once("error", (error) => {
      cancel();
      reject(systemError(place, error));
    });
    socket.once("close", () => {
      cancel();
      reject(new DriverError("CLOSED", `${place}: closed while it was connecting`));
    });
  });

/** Connects to a device that listens. */
export const tcpClient = (endpoint: Endpoint, timers: Timers): ByteSource => {
  const place = placeOf(endpoint);
  let socket: Socket | null = null;

  const open = async (events: SourceEvents): Promise<void> => {
    const mine = connect({
      ...endpoint,
      keepAlive: true,
      keepAliveInitialDelay: KEEPALIVE_MS,
      noDelay: true,
    });
    socket = mine;
    // What goes wrong after `connect` is reported as the close that follows it.
    let failure: DriverError | null = null;
    mine.on("error", (error) => {
      failure = systemError(place, error);
    });
    await connected(mine, place, timers);
    mine.on("data", (chunk) => {
      if (socket === mine) events.data(chunk);
    });
    mine.once("close", () => {
      if (socket === mine) events.closed(failure ?? hungUp(place));
    });
  };

  const close = async (): Promise<void> => {
    const mine = socket;
    socket = null;
    if (mine !== null) await destroyed(mine);
  };

  const write = async (bytes: Uint8Array): Promise<void> => {
    if (socket === null) throw new DriverError("CLOSED", `${place}: not connected`);
    await writeSocket(socket, place, bytes);
  };

  return {
    place,
    midStream: false,
    open,
    close,
    write,
    pause: () => void socket?.pause(),
    resume: () => void socket?.resume(),
  };
};

const listening = (server: Server, endpoint: Endpoint, place: string): Promise<void> =>
  new Promise((resolve, reject) => {
    server.once("error", (error) => reject(systemError(place, error)));
    server.listen({ ...endpoint, exclusive: true }, () => resolve());
  });

/** The listener, with the address it got: port 0 lets the system choose. */
export interface TcpListener extends ByteSource {
  address(): Endpoint | null;
}

const addressOf = (server: Server | null): Endpoint | null => {
  const address = server?.address();
  return typeof address === "object" && address !== null
    ? { host: address.address, port: address.port }
    : null;
};

/**
 * Waits for a device that calls. One device at a time, as on a serial line; the newest caller wins, since after a power cut
 * the old connection of the same device looks alive for hours.
 */
export const tcpListener = (endpoint: Endpoint): TcpListener => {
  const place = placeOf(endpoint);
  let server: Server | null = null;
  let device: Socket | null = null;
  let paused = false;
  let opening: Promise<void> = Promise.resolve();

  const replaceDevice = (next: Socket | null, events: SourceEvents): void => {
    const before = device;
    device = next;
    if (before === null) return;
    before.destroy();
    events.boundary(false);
  };

  const accept = (socket: Socket, events: SourceEvents): void => {
    replaceDevice(socket, events);
    socket.setKeepAlive(true, KEEPALIVE_MS).setNoDelay(true);
    if (paused) socket.pause();
    // An error is always followed by a close, which says all that is of use here.
    socket.on("error", () => undefined);
    socket.on("data", (chunk) => {
      if (device === socket) events.data(chunk);
    });
    socket.once("close", () => {
      if (device === socket) replaceDevice(null, events);
    });
  };

  const open = async (events: SourceEvents): Promise<void> => {
    const mine = createServer((socket) => {
      if (server === mine) accept(socket, events);
      else socket.destroy();
    });
    server = mine;
    opening = listening(mine, endpoint, place);
    await opening;
    mine.on("error", (error) => {
      if (server === mine) events.closed(systemError(place, error));
    });
  };

  const close = async (): Promise<void> => {
    const [listener, caller] = [server, device];
    server = null;
    device = null;
    caller?.destroy();
    // A server that is closed before it listens would go on to listen.
    await opening.catch(() => undefined);
    if (listener?.listening) await new Promise<void>((resolve) => listener.close(() => resolve()));
  };

  const write = async (bytes: Uint8Array): Promise<void> => {
    if (server === null) throw new DriverError("CLOSED", `${place}: not listening`);
    if (device === null) throw new DriverError("UNAVAILABLE", `${place}: no device is connected`);
    await writeSocket(device, place, bytes);
  };

  const setPaused = (value: boolean): void => {
    paused = value;
    if (value) device?.pause();
    else device?.resume();
  };

  return {
    place,
    midStream: false,
    open,
    close,
    write,
    pause: () => setPaused(true),
    resume: () => setPaused(false),
    address: () => addressOf(server),
  };
};
