// What comes from sensors and servers is shown on a person's terminal: control characters, which could move its cursor or forge lines, become a mark.

/** One line, safe to print. */
export const printable = (line: string): string => line.replaceAll(/\p{Cc}/gu, "�");

/** The same for each line of a text. */
export const printableLines = (text: string): string => text.split("\n").map(printable).join("\n");
