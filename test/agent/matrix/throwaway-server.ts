// A server for one test: answers with whatever the test says, however wrong.
import { readFileSync } from "node:fs";
import { createServer, type RequestListener } from "node:http";
import { createServer as createSecureServer } from "node:https";
import { type AddressInfo, createServer as createTcpServer, type Socket } from "node:net";
import { onTestFinished } from "vitest";

const data = (name: string): string => readFileSync(new URL(`data/${name}`, import.meta.url), "utf8");

/** The certificate of `secureServer`, which no authority has signed. */
export const certificate: string = data("localhost.crt");

interface Closable {
  listen(port: number, host: string, listening: () => void): unknown;
  address(): string | AddressInfo | null;
  close(closed: () => void): unknown;
}

const listening = async (server: Closable, cut: () => void): Promise<number> => {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(
    () =>
      new Promise<void>((resolve) => {
        server.close(resolve);
        cut();
      }),
  );
  // Listening on a TCP port: the address is an AddressInfo.
  return (server.address() as AddressInfo).port;
};

export const plainServer = async (listener: RequestListener): Promise<string> => {
  const server = createServer(listener);
  const port = await listening(server, () => server.closeAllConnections());
  return `http://127.0.0.1:${port}`;
};

/** `localhost:<port>`, as a server name has it. */
export const secureServer = async (listener: RequestListener): Promise<string> => {
  const server = createSecureServer({ cert: certificate, key: data("localhost.key") }, listener);
  const port = await listening(server, () => server.closeAllConnections());
  return `localhost:${port}`;
};

/** Speaks no HTTP: the test writes to the socket itself. */
export const tcpServer = async (onConnection: (socket: Socket) => void): Promise<string> => {
  const sockets = new Set<Socket>();
  const server = createTcpServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined);
    onConnection(socket);
  });
  const port = await listening(server, () => sockets.forEach((socket) => void socket.destroy()));
  return `http://127.0.0.1:${port}`;
};

/** A port on which nobody listens. */
export const closedPort = async (): Promise<string> => {
  const server = createTcpServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise<void>((resolve) => server.close(() => resolve()));
  return `http://127.0.0.1:${port}`;
};
