// Driver `tcp`: a device that is reached over TCP (a serial server, a weather station), or that calls us (`listen: true`).
//
//   meter: { type: tcp, host: 192.168.7.20, port: 4001, framing: { type: json-lines } }
//
// There is no encryption and no authentication here: this is for devices on a network that is trusted as much as a cable.
import * as z from "zod";
import { type BytesOptions, bytesKind, bytesShape } from "./bytes.ts";
import type { DriverKind } from "./driver.ts";
import { tcpListener } from "./source/tcp-listener.ts";
import { tcpClient } from "./source/tcp-source.ts";

export interface TcpOptions extends BytesOptions {
  readonly host: string;
  readonly port: number;
  readonly listen: boolean;
}

export const tcp: DriverKind<TcpOptions> = bytesKind(
  "tcp",
  z.strictObject({
    host: z
      .string()
      .min(1)
      .default("127.0.0.1")
      .describe(
        "The device's name or address; with listen: true the own address to listen on (0.0.0.0 for all, which lets anybody in the network send readings).",
      ),
    port: z.int().min(1).max(65_535).describe("The TCP port."),
    listen: z
      .boolean()
      .default(false)
      .describe(
        "Wait for the device to connect instead of connecting to it. One device at a time; the newest connection wins.",
      ),
    ...bytesShape,
  }),
  (options, { timers }) => (options.listen ? tcpListener(options) : tcpClient(options, timers)),
);
