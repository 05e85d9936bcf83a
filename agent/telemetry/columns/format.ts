// What the writer and the reader of the columnar encoding agree on: docs/telemetry-pack.md is its description for everybody else.
//
//   "PTC1" | zlib( count | channels | times | order | values )
export const COLUMNS_ENCODING = "columns.v1+zlib";

/** "PTC1": with it a pack in a file is known by its first bytes, and by the last one its version. */
export const MAGIC: Uint8Array = Uint8Array.of(0x50, 0x54, 0x43, 0x31);

/** Of a channel, in the order of the numbers that stand for them. A channel that changes its unit or its kind is two. */
export const KINDS = ["number", "boolean", "text", "bytes"] as const;
export type Kind = (typeof KINDS)[number];
