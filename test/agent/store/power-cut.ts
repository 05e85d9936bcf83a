// What a disk may hold after a power cut, from the shim's log of writes and syncs (format: scripts/shims/disk.c).
//
// The rule (DESIGN 3, power-safe overwrite): what was written before a sync that completed is on the disk. Of everything written since, each 512-byte
// sector holds what it held before or after any of those writes; a file has any of the lengths it had; a name made, changed or removed since the folder's
// last sync is there or not, in order. That is more than a real file system does.
export const SECTOR_BYTES = 512;

export interface Event {
  readonly kind: string;
  readonly path: string;
  readonly second: string;
  readonly offset: number;
  readonly data: Uint8Array;
}

/** The events of a log whose last record may be cut short: the process was killed while it wrote it. */
export const parseLog = (log: Buffer): Event[] => {
  const events: Event[] = [];
  let at = 0;
  const text = (): string => {
    const length = log.readUInt16LE(at);
    at += 2 + length;
    return log.toString("utf8", at - length, at);
  };
  const next = (): Event => {
    const kind = String.fromCharCode(log.readUInt8(at));
    at += 1;
    const path = text();
    const second = text();
    const offset = Number(log.readBigUInt64LE(at));
    const length = log.readUInt32LE(at + 8);
    at += 12 + length;
    return { kind, path, second, offset, data: log.subarray(at - length, at) };
  };
  while (at < log.length) {
    try {
      const event = next();
      if (at > log.length) break;
      events.push(event);
    } catch (error) {
      if (error instanceof RangeError) break;
      throw error;
    }
  }
  return events;
};

/** One change of a file since its last sync: bytes at an offset, or a new length. */
type Change =
  | { readonly kind: "write"; readonly offset: number; readonly data: Uint8Array }
  | { readonly kind: "length"; readonly length: number };

interface DiskFile {
  synced: Buffer;
  changes: Change[];
}

type NameChange = { readonly name: string; readonly file: DiskFile | null };

export interface Disk {
  /** Names that are on the disk. */
  readonly names: Map<string, DiskFile>;
  /** Names as the programs see them. */
  readonly live: Map<string, DiskFile>;
  pending: NameChange[];
  /** Per file: how many of its changes the sync that is on its way covers. */
  readonly begun: Map<DiskFile, number>;
}

const apply = (content: Buffer, change: Change): Buffer => {
  if (change.kind === "length") {
    const next = Buffer.alloc(change.length);
    content.copy(next, 0, 0, Math.min(content.length, change.length));
    return next;
  }
  const end = change.offset + change.data.length;
  const next = end > content.length ? Buffer.concat([content, Buffer.alloc(end - content.length)]) : content;
  next.set(change.data, change.offset);
  return next;
};

const rename = (disk: Disk, name: string, file: DiskFile | null): void => {
  if (file === null) disk.live.delete(name);
  else disk.live.set(name, file);
  disk.pending.push({ name, file });
};

const fileOf = (disk: Disk, name: string): DiskFile => {
  const known = disk.live.get(name);
  if (known !== undefined) return known;
  const made: DiskFile = { synced: Buffer.alloc(0), changes: [] };
  rename(disk, name, made);
  return made;
};

const settleNames = (disk: Disk): void => {
  for (const { name, file } of disk.pending) {
    if (file === null) disk.names.delete(name);
    else disk.names.set(name, file);
  }
  disk.pending = [];
};

const settleFile = (disk: Disk, file: DiskFile): void => {
  const covered = disk.begun.get(file) ?? 0;
  for (const change of file.changes.slice(0, covered)) file.synced = apply(file.synced, change);
  file.changes = file.changes.slice(covered);
  disk.begun.delete(file);
};

/** Lets the disk take part in what the log says. */
export const replay = (disk: Disk, event: Event): void => {
  if (event.kind === "c") fileOf(disk, event.path);
  else if (event.kind === "w")
    fileOf(disk, event.path).changes.push({ kind: "write", offset: event.offset, data: event.data });
  else if (event.kind === "t")
    fileOf(disk, event.path).changes.push({ kind: "length", length: event.offset });
  else if (event.kind === "b")
    disk.begun.set(fileOf(disk, event.path), fileOf(disk, event.path).changes.length);
  else if (event.kind === "s" && disk.live.has(event.path)) settleFile(disk, fileOf(disk, event.path));
  else if (event.kind === "f") settleNames(disk);
  else if (event.kind === "u") rename(disk, event.path, null);
  else if (event.kind === "l") rename(disk, event.second, fileOf(disk, event.path));
  else if (event.kind === "r") {
    rename(disk, event.second, fileOf(disk, event.path));
    rename(disk, event.path, null);
  }
};

const lengthAfter = (length: number, change: Change): number =>
  change.kind === "length" ? change.length : Math.max(length, change.offset + change.data.length);

/** The sectors of a file of at most `longest` bytes that the change touches. */
const sectorsOf = (change: Change, longest: number): number[] => {
  const from = change.kind === "length" ? change.length : change.offset;
  const until = change.kind === "length" ? longest : change.offset + change.data.length;
  const first = Math.floor(from / SECTOR_BYTES);
  return Array.from({ length: Math.max(0, Math.ceil(until / SECTOR_BYTES) - first) }, (_, at) => first + at);
};

/** Applies the part of the change that falls into the sector at `start`. */
const applyToSector = (sector: Buffer, start: number, change: Change): void => {
  if (change.kind === "length") {
    sector.fill(0, Math.min(SECTOR_BYTES, Math.max(0, change.length - start)));
    return;
  }
  const from = Math.max(start, change.offset);
  const until = Math.min(start + SECTOR_BYTES, change.offset + change.data.length);
  sector.set(change.data.subarray(from - change.offset, until - change.offset), from - start);
};

/** One state in which the disk may have kept the file: each sector, and the length, after any number of the changes. */
const crashFile = ({ changes, synced }: DiskFile, random: () => number): Buffer => {
  const pick = (count: number): number => Math.floor(random() * count);
  const lengths = [synced.length];
  const touched = new Map<number, Change[]>();
  for (const change of changes) lengths.push(lengthAfter(lengths.at(-1) ?? 0, change));
  const longest = Math.max(...lengths);
  for (const change of changes)
    for (const sector of sectorsOf(change, longest))
      touched.set(sector, [...(touched.get(sector) ?? []), change]);
  const content = Buffer.alloc(Math.ceil(longest / SECTOR_BYTES) * SECTOR_BYTES);
  synced.copy(content);
  for (const [sector, itsChanges] of touched) {
    const start = sector * SECTOR_BYTES;
    const bytes = content.subarray(start, start + SECTOR_BYTES);
    for (const change of itsChanges.slice(0, pick(itsChanges.length + 1)))
      applyToSector(bytes, start, change);
  }
  return content.subarray(0, lengths[pick(lengths.length)]);
};

/** A disk that holds these files, all of it synced. */
export const createDisk = (base: ReadonlyMap<string, Buffer>): Disk => {
  const files = [...base].map(([name, content]): [string, DiskFile] => [
    name,
    { synced: Buffer.from(content), changes: [] },
  ]);
  return { names: new Map(files), live: new Map(files), pending: [], begun: new Map() };
};

/** What programs see now: everything that was written. */
export const liveFiles = (disk: Disk): Map<string, Buffer> =>
  new Map(
    [...disk.live].map(([name, { changes, synced }]) => [name, changes.reduce(apply, Buffer.from(synced))]),
  );

/** One state in which a power cut may leave the disk now. */
export const crash = (disk: Disk, random: () => number): Map<string, Buffer> => {
  const names = new Map(disk.names);
  const kept = Math.floor(random() * (disk.pending.length + 1));
  for (const { name, file } of disk.pending.slice(0, kept)) {
    if (file === null) names.delete(name);
    else names.set(name, file);
  }
  return new Map([...names].map(([name, file]) => [name, crashFile(file, random)]));
};

export interface CrashState {
  /** The power was cut before this event of the log. */
  readonly event: number;
  readonly files: ReadonlyMap<string, Buffer>;
}

/** One possible state of the disk for each of the given events of the log, which come in order. `base` is what was on the disk before. */
export function* crashStates(
  base: ReadonlyMap<string, Buffer>,
  events: readonly Event[],
  cuts: readonly number[],
  random: () => number,
): Generator<CrashState> {
  const disk = createDisk(base);
  let done = 0;
  for (const event of cuts) {
    for (; done < event; done += 1) {
      const next = events[done];
      if (next !== undefined) replay(disk, next);
    }
    yield { event, files: crash(disk, random) };
  }
}

/** The rows that the child had acknowledged before each event: the last element of those written to the file of acknowledgements. */
export const acknowledgedBefore = (events: readonly Event[], event: number, ackFile: string): number[] =>
  events
    .slice(0, event)
    .filter(({ kind, path }) => kind === "w" && path === ackFile)
    .map(({ data }) => Number(Buffer.from(data).toString().trim()));
