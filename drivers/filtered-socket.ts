// A socket whose incoming bytes pass a packet filter first. It is what mqtt.js and aedes get in place of the socket.
import type { Socket } from "node:net";
import { Duplex } from "node:stream";
import type { PacketFilter } from "./packet-filter.ts";

/** `broken` makes the error with which the connection ends when the filter says so. */
export const filterSocket = (socket: Socket, filter: PacketFilter, broken: () => Error): Duplex => {
  const outside = new Duplex({
    read: () => void socket.resume(),
    write: (chunk: Uint8Array, _encoding, done) => void socket.write(chunk, done),
    // What was corked together leaves together.
    writev: (chunks, done) => {
      socket.cork();
      for (const { chunk } of chunks.slice(0, -1)) socket.write(chunk as Uint8Array); // bytes: decodeStrings is on
      socket.write(chunks.at(-1)?.chunk as Uint8Array, done); // writev is called with two chunks at least
      socket.uncork();
    },
    final: (done) => void socket.end(done),
    destroy: (error, done) => {
      socket.destroy();
      done(error);
    },
  });
  socket.on("data", (chunk) => {
    const { forward, broken: over } = filter.push(chunk);
    const wanted = forward.map((part) => outside.push(part));
    if (wanted.includes(false)) socket.pause();
    if (over) outside.destroy(broken());
  });
  socket.on("end", () => outside.push(null));
  socket.on("error", (error) => outside.destroy(error));
  socket.on("close", () => outside.destroy());
  return outside;
};
