// Names of the machine's rows as keys of an SQLite table.

/** Least code unit of a name that SQLite keeps as it is: what is written differently begins with the one below. */
const ESCAPE = "\u0001";

/** A name as a key of the table. Any string of JavaScript's: halves of surrogate pairs, which no UTF-8 has, and NUL are written as hex. */
export const toKey = (name: string): string =>
  name.isWellFormed() && !name.includes("\u0000") && !name.startsWith(ESCAPE)
    ? name
    : `${ESCAPE}${Buffer.from(name, "utf16le").toString("hex")}`;

export const fromKey = (key: string): string =>
  key.startsWith(ESCAPE) ? Buffer.from(key.slice(ESCAPE.length), "hex").toString("utf16le") : key;
