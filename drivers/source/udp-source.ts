// UDP datagrams as a source of bytes. Each datagram ends with a boundary: it is whole by nature, whatever the framing, and never runs into the next.
import { createSocket, type Socket } from "node:dgram";
import { isIPv6 } from "node:net";
import { DriverError } from "../driver.ts";
import type { ByteSource, SourceEvents } from "./source.ts";
import { systemError } from "./system-error.ts";

export interface UdpPort {
  readonly host: string;
  readonly port: number;
  readonly multicast?: string | undefined;
  readonly interface?: string | undefined;
  readonly send_to?: { readonly host: string; readonly port: number } | undefined;
}

export interface UdpSource extends ByteSource {
  /** The port it got; 0 lets the system choose. */
  boundPort(): number | null;
}

const bound = (socket: Socket, at: UdpPort, place: string): Promise<void> =>
  new Promise((resolve, reject) => {
    socket.once("error", (error) => reject(systemError(place, error)));
    socket.bind({ port: at.port, address: at.host, exclusive: true }, () => {
      try {
        if (at.multicast !== undefined) socket.addMembership(at.multicast, at.interface);
        resolve();
      } catch (error) {
        reject(systemError(`${place} (multicast ${at.multicast})`, error));
      }
    });
  });

const send = (
  socket: Socket,
  place: string,
  to: { host: string; port: number },
  bytes: Uint8Array,
): Promise<void> =>
  new Promise((resolve, reject) => {
    socket.send(bytes, to.port, to.host, (error) => {
      if (error === null) resolve();
      else reject(systemError(place, error));
    });
  });

export const udpSource = (at: UdpPort): UdpSource => {
  const place = `udp ${at.host}:${at.port}`;
  let socket: Socket | null = null;
  let opening: Promise<void> = Promise.resolve();

  const open = async (events: SourceEvents): Promise<void> => {
    // Several receivers of one group on one machine are normal; two of one unicast port are a mistake.
    const mine = createSocket({
      type: isIPv6(at.host) ? "udp6" : "udp4",
      reuseAddr: at.multicast !== undefined,
    });
    socket = mine;
    mine.on("message", (datagram) => {
      if (socket !== mine) return;
      events.data(datagram);
      events.boundary(true);
    });
    opening = bound(mine, at, place);
    await opening;
    mine.on("error", (error) => {
      if (socket === mine) events.closed(systemError(place, error));
    });
  };

  const close = async (): Promise<void> => {
    const mine = socket;
    socket = null;
    // A socket that is closed while it binds would never say so.
    await opening.catch(() => undefined);
    if (mine !== null) await new Promise<void>((resolve) => mine.close(() => resolve()));
  };

  const write = async (bytes: Uint8Array): Promise<void> => {
    if (socket === null) throw new DriverError("CLOSED", `${place}: not open`);
    if (at.send_to === undefined)
      throw new DriverError(
        "CONFIG",
        `${place}: nothing can be sent without send_to: { host, port } in its options`,
      );
    await send(socket, place, at.send_to, bytes);
  };

  return {
    place,
    midStream: false,
    open,
    close,
    write,
    boundPort: () => (socket === null ? null : socket.address().port),
  };
};
