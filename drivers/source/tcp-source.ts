// TCP as a source of bytes: the client of a device that listens. (The device that calls: tcp-listener.ts.)
// It can wait: a paused socket fills its window, and the peer stops sending. A connection closed by the peer cuts the message that was under way.
import { connect, type Socket } from "node:net";
import { DriverError, type Timers } from "../driver.ts";
import { CONNECT_TIMEOUT_MS, KEEPALIVE_MS } from "../limits.ts";
import type { ByteSource, SourceEvents } from "./source.ts";
import { systemError } from "./system-error.ts";

export interface Endpoint {
  readonly host: string;
  readonly port: number;
}

export const placeOf = ({ host, port }: Endpoint): string =>
  `tcp ${host.includes(":") ? `[${host}]` : host}:${port}`;

/** Resolves when the system has taken the bytes. */
export const writeSocket = (socket: Socket, place: string, bytes: Uint8Array): Promise<void> =>
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
