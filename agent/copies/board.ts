// Which board this is: its serial number, as the kernel tells it. Null where it tells none (most containers, a PC for any user but root): then only the
// homeserver's mark tells a copy.
//
// The machine-id is not asked: an image that was written twice has the same on both boards, and an update of the system or a new container may bring
// another one to the same board.
import { readFileSync } from "node:fs";
import { SERIAL_CHARS_MAX } from "./limits.ts";

/** Device tree (Raspberry Pi and other ARM boards), then DMI (PCs; readable by root). */
const PLACES = [
  "/proc/device-tree/serial-number",
  "/sys/class/dmi/id/product_uuid",
  "/sys/class/dmi/id/board_serial",
];

/** What makers leave in it: zeros, one character over and over, or a phrase. */
const MEANINGLESS = /^(.)\1*$|default|filled|none|not |o\.e\.m|unknown/i;

const SERIAL_CHARS_MIN = 6;

/** The serial number in a file's text; null where it says nothing. */
export const parseSerial = (text: string): string | null => {
  const serial = text.replaceAll("\0", "").trim();
  if (serial.length < SERIAL_CHARS_MIN || serial.length > SERIAL_CHARS_MAX) return null;
  return MEANINGLESS.test(serial.replaceAll("-", "")) ? null : serial;
};

const readSerial = (path: string): string | null => {
  try {
    return parseSerial(readFileSync(path, "utf8"));
  } catch {
    return null;
  }
};

/** `configured`: the section's `device.board`; "any" looks at no board. */
export const boardOf = (configured: string | undefined): string | null => {
  if (configured === "any") return null;
  if (configured !== undefined) return configured;
  for (const place of PLACES) {
    const serial = readSerial(place);
    if (serial !== null) return `${place} ${serial}`;
  }
  return null;
};
