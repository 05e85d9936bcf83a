// Writes an initramfs: the "newc" form of cpio (Linux, Documentation/driver-api/early-userspace/buffer-format.rst), as a value.
//
//   "070701" | 13 fields of 8 hexadecimal digits | name, NUL | padding to 4 | data | padding to 4        ... ends with the name "TRAILER!!!"
//
// Several archives may follow one another; the kernel unpacks them all, compressed or not.

export type Entry =
  | { readonly kind: "folder"; readonly path: string }
  | { readonly kind: "file"; readonly path: string; readonly data: Uint8Array; readonly mode: number }
  | { readonly kind: "link"; readonly path: string; readonly target: string };

const FOLDER = 0o040755;
const FILE = 0o100000;
const LINK = 0o120777;

const padded = (bytes: Uint8Array): Uint8Array => {
  const rest = bytes.length % 4;
  return rest === 0 ? bytes : Buffer.concat([bytes, Buffer.alloc(4 - rest)]);
};

const record = (inode: number, path: string, mode: number, data: Uint8Array): Uint8Array => {
  const name = Buffer.from(`${path}\0`);
  const links = 1;
  const fields = [inode, mode, 0, 0, links, 0, data.length, 0, 0, 0, 0, name.length, 0];
  const head = Buffer.from(`070701${fields.map((field) => field.toString(16).padStart(8, "0")).join("")}`);
  return Buffer.concat([padded(Buffer.concat([head, name])), padded(data)]);
};

const encode = (entry: Entry, inode: number): Uint8Array => {
  if (entry.kind === "folder") return record(inode, entry.path, FOLDER, new Uint8Array());
  if (entry.kind === "link") return record(inode, entry.path, LINK, Buffer.from(entry.target));
  return record(inode, entry.path, FILE | entry.mode, entry.data);
};

/** An archive of these entries; folders must come before what is in them. */
export const encodeCpio = (entries: readonly Entry[]): Uint8Array =>
  Buffer.concat([
    ...entries.map((entry, index) => encode(entry, index + 1)),
    record(0, "TRAILER!!!", 0, new Uint8Array()),
  ]);
