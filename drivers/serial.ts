// Driver `serial`: a device on a serial line (USB adapter, UART, CDC-ACM).
//
//   gps:
//     type: serial
//     path: /dev/serial/by-id/usb-u-blox_AG_GNSS_receiver-if00
//     baud: 9600
//     framing: { type: regex, pattern: '^T=(?<t>-?[0-9.]+)' }
//     readings: [{ name: cabin/temperature, from: t, unit: Cel, type: number }]
import * as z from "zod";
import { type BytesOptions, bytesKind, bytesShape } from "./bytes.ts";
import type { DriverKind } from "./driver.ts";
import { type SerialLine, serialSource } from "./source/serial-source.ts";

export type SerialOptions = SerialLine & BytesOptions;

export const serial: DriverKind<SerialOptions> = bytesKind(
  "serial",
  z.strictObject({
    path: z
      .string()
      .min(1)
      .describe(
        "The port. A name under /dev/serial/by-id/ stays the same when the adapter is plugged in elsewhere.",
      ),
    baud: z.int().min(50).max(4_000_000).default(115_200).describe("Bits per second, as the device is set."),
    data_bits: z.literal([5, 6, 7, 8]).default(8).describe("Data bits of a character."),
    parity: z.enum(["none", "even", "odd", "mark", "space"]).default("none").describe("Parity bit."),
    stop_bits: z.literal([1, 1.5, 2]).default(1).describe("Stop bits."),
    rtscts: z
      .boolean()
      .default(false)
      .describe("Hardware flow control. Only with a device that drives CTS: otherwise nothing is ever sent."),
    xonxoff: z
      .boolean()
      .default(false)
      .describe("Software flow control; only for text, since the bytes 0x11 and 0x13 vanish."),
    hupcl: z
      .boolean()
      .default(false)
      .describe(
        "Drop DTR when the port is closed. Off, so that a board that resets on DTR keeps running through a restart of the agent.",
      ),
    lock: z
      .boolean()
      .default(true)
      .describe(
        "Refuse a port that another program has locked, and lock it against others. Off: both may get parts of the data.",
      ),
    ...bytesShape,
  }),
  (options) => serialSource(options),
);
