// How many bytes an exchange moved, and over which address of this machine: for a budget of bytes. Counted at the socket, so heads, bodies and requests that
// failed are in it; what TLS, TCP and IP add is the counter's business.
import type { ClientRequest } from "node:http";
import type { Socket } from "node:net";

export interface Traffic {
  /** Of this machine, as the connection had it; null where there was none. */
  readonly localAddress: string | null;
  readonly remoteAddress: string | null;
  readonly remotePort: number | null;
  readonly bytes: number;
  /** The connection was made for this exchange. */
  readonly isNew: boolean;
  readonly secure: boolean;
}

interface Seen {
  readonly localAddress: string | null;
  readonly remoteAddress: string | null;
  readonly remotePort: number | null;
  bytes: number;
}

/** What each connection had moved when it was looked at last: it serves many exchanges, one after the other. */
export type SeenSockets = WeakMap<Socket, Seen>;

const look = (socket: Socket, seen: SeenSockets): void => {
  if (seen.has(socket)) return;
  // They are gone once it is closed.
  const { localAddress = null, remoteAddress = null, remotePort = null } = socket;
  seen.set(socket, { localAddress, remoteAddress, remotePort, bytes: 0 });
};

/** Gives what is to be called when the exchange is over, however it ended. */
export const watchTraffic = (
  sent: ClientRequest,
  secure: boolean,
  seen: SeenSockets,
  tell: (traffic: Traffic) => void,
): (() => void) => {
  let used: Socket | null = null;
  sent.once("socket", (socket) => {
    used = socket;
    if (!socket.connecting) look(socket, seen);
    else socket.once("connect", () => look(socket, seen));
  });
  return () => {
    const known = used === null ? undefined : seen.get(used);
    if (used === null || known === undefined) return;
    const total = used.bytesRead + used.bytesWritten;
    const isNew = known.bytes === 0;
    tell({ ...known, bytes: Math.max(0, total - known.bytes), isNew, secure });
    known.bytes = total;
  };
};
