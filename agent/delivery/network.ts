// Which interface of this machine leads to the homeserver. The kernel is asked for its route by a UDP socket that is connected, which sends nothing (udp(7),
// connect(2)); its address is looked up among those of the interfaces.
import { createSocket } from "node:dgram";
import { isIPv6 } from "node:net";
import { networkInterfaces } from "node:os";

/** Addresses by the name of their interface. */
export type InterfaceTable = Readonly<Record<string, readonly { readonly address: string }[] | undefined>>;

export interface Network {
  table(): InterfaceTable;
  /** The address of this machine from which the other one would be reached now; null where it would not. */
  routeTo(address: string, port: number): Promise<string | null>;
}

/** Where an address belongs to no interface (it went away meanwhile). */
export const UNKNOWN_INTERFACE = "unknown";

/** `::ffff:10.0.0.1` is 10.0.0.1 on a socket that takes both (RFC 4291, 2.5.5.2); `fe80::1%eth0` names its zone. */
const plain = (address: string): string => address.replace(/^::ffff:/i, "").replace(/%.*$/, "");

export const interfaceOf = (table: InterfaceTable, localAddress: string): string => {
  const wanted = plain(localAddress);
  const found = Object.entries(table).find(([, addresses]) =>
    addresses?.some(({ address }) => plain(address) === wanted),
  );
  return found?.[0] ?? UNKNOWN_INTERFACE;
};

const escaped = (text: string): string => text.replaceAll(/[.+?^${}()|[\]\\]/g, "\\$&");

/** `wwan*` is any name that begins so. */
export const matchesAny = (name: string, patterns: readonly string[]): boolean =>
  patterns.some((pattern) => new RegExp(`^${escaped(pattern).replaceAll("*", ".*")}$`).test(name));

export const realNetwork: Network = {
  table: networkInterfaces,
  routeTo: (address, port) =>
    new Promise((resolve) => {
      const socket = createSocket(isIPv6(address) ? "udp6" : "udp4");
      const end = (local: string | null): void => {
        socket.close();
        resolve(local);
      };
      socket.once("error", () => end(null));
      socket.once("connect", () => end(socket.address().address));
      socket.connect(port, address);
    }),
};
