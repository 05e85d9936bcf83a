// Driver `udp`: datagrams from devices that send without asking. Each datagram is one message, or several lines of which the last needs no end.
//
//   wind: { type: udp, port: 10110, host: 0.0.0.0, framing: { type: regex, pattern: '^W (?<speed>[0-9.]+)$' } }
//
// A datagram has no proven sender: whoever can reach the port can send readings. So the default is the own machine only.
import * as z from "zod";
import { type BytesOptions, bytesKind, bytesShape } from "./bytes.ts";
import type { DriverKind } from "./driver.ts";
import { type UdpPort, udpSource } from "./source/udp-source.ts";

export type UdpOptions = UdpPort & BytesOptions;

const port = z.int().min(1).max(65_535);

export const udp: DriverKind<UdpOptions> = bytesKind(
  "udp",
  z.strictObject({
    host: z
      .string()
      .min(1)
      .default("127.0.0.1")
      .describe(
        "The own address to receive on; 0.0.0.0 for all (needed for multicast), which lets anybody in the network send readings.",
      ),
    port: port.describe("The UDP port to receive on."),
    multicast: z.string().min(1).optional().describe("A multicast group to join, such as 239.1.2.3."),
    interface: z.string().min(1).optional().describe("The own address whose network the group is joined on."),
    send_to: z
      .strictObject({
        host: z.string().min(1).describe("Where writes are sent."),
        port: port.describe("The UDP port there."),
      })
      .optional()
      .describe("Where writes go. Left out: the driver only receives."),
    ...bytesShape,
  }),
  (options) => udpSource(options),
);
