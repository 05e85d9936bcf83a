// The bytes of a verification QR code that something else has scanned (Client-Server API, "QR code format"): as a word of the command line, or on standard input.
//
//   zbarimg --raw --oneshot -Sbinary photo.png | petrel verify @you:example.org --scan -
import { CliError, EXIT } from "#agent/exit.ts";
import type { Outside } from "#agent/outside.ts";

const PREFIX = "MATRIX";
/** What a QR code of the largest version holds in byte mode. */
const CODE_BYTES_MAX = 2953;

export const CODE_QUESTION = "The code that the other device shows, as base64 or hexadecimal";

const fromText = (text: string): Buffer => {
  const packed = text.replaceAll(/\s/g, "");
  // "MATRIX" in base64 is no hexadecimal: the two cannot be mistaken for each other.
  return Buffer.from(packed, /^(?:[0-9a-f]{2})+$/i.test(packed) ? "hex" : "base64");
};

const fromInput = async ({ stdin }: Outside): Promise<Buffer> => {
  const parts: Buffer[] = [];
  let size = 0;
  for await (const part of stdin) {
    const bytes = Buffer.from(part);
    parts.push(bytes);
    size += bytes.length;
    if (size > 4 * CODE_BYTES_MAX) break;
  }
  return Buffer.concat(parts);
};

const isCode = (bytes: Buffer): boolean => bytes.subarray(0, PREFIX.length).toString("latin1") === PREFIX;

const checked = (bytes: Buffer): string => {
  if (isCode(bytes) && bytes.length <= CODE_BYTES_MAX) return bytes.toString("base64");
  throw new CliError(
    EXIT.usage,
    `expected the bytes of a verification code, which begin with ${PREFIX}, as base64 or hexadecimal, or as they are on standard input; a QR reader gives them as raw or binary data`,
  );
};

/** A code as text; in base64, as the control socket carries it. */
export const codeOf = (text: string): string => checked(fromText(text));

/** `-` is standard input, which may hold the bytes themselves, or their text. */
export const readCode = async (outside: Outside, given: string): Promise<string> => {
  if (given !== "-") return codeOf(given);
  const input = await fromInput(outside);
  return isCode(input) ? checked(input) : codeOf(input.toString("latin1"));
};
