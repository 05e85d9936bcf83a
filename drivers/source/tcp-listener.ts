// TCP as a source of bytes: a listener for a device that calls (a logger behind a mobile link, an ESP that knows our address).
// One device at a time, as on a serial line; the newest caller wins, since after a power cut the old connection of the same device looks alive for hours.
import { createServer, type Server, type Socket } from "node:net";
import { DriverError } from "../driver.ts";
import { KEEPALIVE_MS } from "../limits.ts";
import type { ByteSource, SourceEvents } from "./source.ts";
import { systemError } from "./system-error.ts";
import { type Endpoint, placeOf, writeSocket } from "./tcp-source.ts";

const listening = (server: Server, endpoint: Endpoint, place: string): Promise<void> =>
  new Promise((resolve, reject) => {
    server.once("error", (error) => reject(systemError(place, error)));
    server.listen({ ...endpoint, exclusive: true }, () => resolve());
  });

/** The place for the one device that is connected. */
class Seat {
  #device: Socket | null = null;
  #paused = false;

  get device(): Socket | null {
    return this.#device;
  }

  take(socket: Socket, events: SourceEvents): void {
    this.#replace(socket, events);
    socket.setKeepAlive(true, KEEPALIVE_MS).setNoDelay(true);
    if (this.#paused) socket.pause();
    // An error is always followed by a close, which says all that is of use here.
    socket.on("error", () => undefined);
    socket.on("data", (chunk) => {
      if (this.#device === socket) events.data(chunk);
    });
    socket.once("close", () => {
      if (this.#device === socket) this.#replace(null, events);
    });
  }

  clear(): void {
    this.#device?.destroy();
    this.#device = null;
  }

  setPaused(paused: boolean): void {
    this.#paused = paused;
    if (paused) this.#device?.pause();
    else this.#device?.resume();
  }

  #replace(next: Socket | null, events: SourceEvents): void {
    const before = this.#device;
    this.#device = next;
    if (before === null) return;
    before.destroy();
    events.boundary(false);
  }
}

export const tcpListener = (endpoint: Endpoint): ByteSource => {
  const place = placeOf(endpoint);
  const seat = new Seat();
  let server: Server | null = null;
  let opening: Promise<void> = Promise.resolve();

  const open = async (events: SourceEvents): Promise<void> => {
    const mine = createServer((socket) => {
      if (server === mine) seat.take(socket, events);
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
    const listener = server;
    server = null;
    seat.clear();
    // A server that is closed before it listens would go on to listen.
    await opening.catch(() => undefined);
    if (listener?.listening) await new Promise<void>((resolve) => listener.close(() => resolve()));
  };

  const write = async (bytes: Uint8Array): Promise<void> => {
    if (server === null) throw new DriverError("CLOSED", `${place}: not listening`);
    if (seat.device === null) throw new DriverError("UNAVAILABLE", `${place}: no device is connected`);
    await writeSocket(seat.device, place, bytes);
  };

  return {
    place,
    midStream: false,
    open,
    close,
    write,
    pause: () => seat.setPaused(true),
    resume: () => seat.setPaused(false),
  };
};
