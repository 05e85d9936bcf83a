// The naive twin of the line splitter: the whole stream at once, by string functions, without state. Slow and obvious.

export type NaiveLine =
  | readonly [content: string, bytes: number]
  | readonly ["overlong" | "blank" | "partial", number, null];

const isLong = (content: string, lineBytesMax: number): boolean => content.length > lineBytesMax;

/** Lines of a stream (one character per byte) and what was discarded, in order. */
export const naiveLines = (stream: string, lineBytesMax: number): NaiveLine[] => {
  const pieces = stream.split("\n");
  const last = pieces.pop() ?? "";
  const lines = pieces.map((piece): NaiveLine => {
    const content = piece.replace(/\r$/, "");
    if (isLong(content, lineBytesMax)) return ["overlong", piece.length + 1, null];
    return content === "" ? ["blank", piece.length + 1, null] : [content, piece.length + 1];
  });
  if (last === "") return lines;
  return [...lines, [last.length > lineBytesMax + 1 ? "overlong" : "partial", last.length, null]];
};
