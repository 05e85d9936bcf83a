// A row of the machine as bytes, and back. Key handles are written by crypto/pickle's writers, the rest is JSON:
//
//   | length of the JSON 4 | JSON | key state, or nothing |
//
// Sealed with the store key under its table, group and item, so that no row can be moved; rows that say only what servers know anyway are kept
// as they are, since a share with a thousand devices reads each of them. A table that is not named here is sealed.
import type { Vault } from "#agent/store/store.ts";
import type { TableName } from "#crypto/machine/store/store.ts";
import { BinaryReader, BinaryWriter } from "#crypto/pickle/binary.ts";
import { readAccount, writeAccount } from "#crypto/pickle/own-account.ts";
import { readInbound, readOutbound, writeInbound, writeOutbound } from "#crypto/pickle/own-megolm.ts";
import { readSession, writeSession } from "#crypto/pickle/own-session.ts";
import type { CryptoProvider } from "#crypto/provider.ts";

export interface Place {
  readonly table: TableName;
  readonly group: string;
  readonly item: string;
}

/** Public keys, names, counts and marks. */
const IN_CLEAR: ReadonlySet<TableName> = new Set<TableName>([
  "counter",
  "tracked",
  "dirty",
  "device",
  "identity",
  "backoff",
  "seen",
  "wedged",
  "room",
  "share",
  "withheld",
  "replay",
  "indexes",
  "idle",
  "keyed",
  "backedUp",
]);

interface State {
  readonly field: string;
  write(writer: BinaryWriter, state: unknown): void;
  read(provider: CryptoProvider, reader: BinaryReader): unknown;
}

/** The writer and reader of one field's type. */
const state = <S>(
  field: string,
  write: (writer: BinaryWriter, value: S) => void,
  read: (provider: CryptoProvider, reader: BinaryReader) => S,
): State => ({
  field,
  // The machine puts rows of this table's type only, and that field of theirs has type S.
  write: (writer, value) => write(writer, value as S),
  read,
});

const STATES: Partial<Record<TableName, State>> = {
  account: state("account", writeAccount, readAccount),
  olm: state("state", writeSession, readSession),
  outbound: state("state", writeOutbound, readOutbound),
  inbound: state("state", writeInbound, readInbound),
};

const contextOf = ({ table, group, item }: Place): string =>
  `encryption/${JSON.stringify([table, group, item])}`;

const BYTES_KEY = "\u0000bytes";

/** JSON of plain values and bytes. Anything else (a key handle in a table that STATES does not name) would be lost in silence, so it is refused. */
const stringify = (row: object): string =>
  JSON.stringify(row, function (this: Record<string, unknown>, key: string) {
    // Not the second parameter: a handle's toJSON has been at that already.
    const value = this[key];
    if (value instanceof Uint8Array) return { [BYTES_KEY]: Buffer.from(value).toString("base64") };
    if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
    const prototype: unknown = Object.getPrototypeOf(value);
    if (prototype === Object.prototype || prototype === null) return value;
    throw new TypeError(
      `encryption store: "${key}" is neither JSON nor bytes; its table needs a writer in rows.ts`,
    );
  });

const parse = (text: string): Record<string, unknown> =>
  JSON.parse(text, (_key, value: unknown) => {
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, BYTES_KEY)) return value;
    // `stringify` put text there.
    return new Uint8Array(Buffer.from((value as Record<string, string>)[BYTES_KEY] ?? "", "base64"));
  }) as Record<string, unknown>; // an object was written

const encode = (table: TableName, row: object): Uint8Array => {
  const codec = STATES[table];
  const fields: Record<string, unknown> = { ...row };
  const secret = codec === undefined ? undefined : fields[codec.field];
  if (codec !== undefined) delete fields[codec.field];
  const json = new TextEncoder().encode(stringify(fields));
  const writer = new BinaryWriter().uint32(json.length).bytes(json);
  codec?.write(writer, secret);
  return writer.finish();
};

const decode = (provider: CryptoProvider, table: TableName, bytes: Uint8Array): unknown => {
  const reader = new BinaryReader(bytes, `encryption store, table ${table}`);
  const json = reader.bytes(reader.uint32());
  const fields = parse(new TextDecoder().decode(json));
  const codec = STATES[table];
  if (codec !== undefined) fields[codec.field] = codec.read(provider, reader);
  reader.end();
  return fields;
};

export const encodeRow = (vault: Vault, place: Place, row: object): Uint8Array => {
  const bytes = encode(place.table, row);
  if (IN_CLEAR.has(place.table)) return bytes;
  const sealed = vault.seal(contextOf(place), bytes);
  bytes.fill(0);
  return sealed;
};

/** Throws a `StoreError` SEAL or a `CryptoError` FORMAT for a row that is not what was written. */
export const decodeRow = (
  provider: CryptoProvider,
  vault: Vault,
  place: Place,
  stored: Uint8Array,
): unknown => {
  if (IN_CLEAR.has(place.table)) return decode(provider, place.table, stored);
  const bytes = vault.open(contextOf(place), stored);
  try {
    return decode(provider, place.table, bytes);
  } finally {
    bytes.fill(0);
  }
};
