// Splits a stream of text into lines, bounded.
import { CONTROL_LINE_BYTES_MAX } from "./protocol.ts";

/** Calls `line` for each whole line; false once a line grows beyond the bound: the connection is to be closed. */
export const lineSplitter = (
  line: (text: string) => void,
  charsMax: number = CONTROL_LINE_BYTES_MAX,
): ((chunk: string) => boolean) => {
  let rest = "";
  return (chunk) => {
    const parts = (rest + chunk).split("\n");
    rest = parts.pop() ?? "";
    for (const part of parts) {
      if (part.length > charsMax) return false;
      if (part !== "") line(part);
    }
    return rest.length <= charsMax;
  };
};
