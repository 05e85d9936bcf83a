// A file as a source of bytes: read once from its beginning to its end, or followed as it grows (like `tail -F`), through rotation and truncation.
// Followed by looking at it at intervals: watching (inotify) does not work on network file systems and says nothing that a look does not say.
//
//   followed file            what a look finds                       what follows
//   log (inode 7, 900 bytes) longer than before                      the new bytes are read
//                            shorter than before: truncated          boundary, read from the beginning
//                            another inode: rotated                  the old one is read to its end, boundary, the new one from the beginning
//                            no such file                            closed; when it is back it is read from where it was, or from its beginning if it is another
import { type FileHandle, open as openFile, stat } from "node:fs/promises";
import { DriverError, type Timers } from "../driver.ts";
import { FILE_CHUNK_BYTES, FILE_PREROLL_BYTES } from "../limits.ts";
import type { ByteSource, SourceEvents } from "./source.ts";
import { codeOf, systemError } from "./system-error.ts";

export interface FilePlan {
  readonly path: string;
  readonly follow: boolean;
  readonly from: "start" | "end";
  readonly poll_ms: number;
}

/** Which file it is: the inode number alone may be given to the next file. */
interface Identity {
  readonly device: bigint;
  readonly inode: bigint;
  readonly bornNs: bigint;
}

interface OpenFile {
  readonly handle: FileHandle;
  readonly identity: Identity;
  position: number;
}

const identityOf = (stats: { dev: bigint; ino: bigint; birthtimeNs: bigint }): Identity => ({
  device: stats.dev,
  inode: stats.ino,
  bornNs: stats.birthtimeNs,
});

const same = (a: Identity, b: Identity): boolean =>
  a.device === b.device && a.inode === b.inode && a.bornNs === b.bornNs;

const openRegular = async (path: string): Promise<OpenFile> => {
  const handle = await openFile(path, "r");
  const stats = await handle.stat({ bigint: true });
  if (stats.isFile()) return { handle, identity: identityOf(stats), position: 0 };
  await handle.close();
  throw new DriverError(
    "CONFIG",
    `${path}: is neither a file nor a named pipe; for a tty use the driver serial`,
  );
};

/** Where reading stopped, for the next opening. */
type Left = Pick<OpenFile, "identity" | "position">;

const gone = (path: string, cause: unknown): DriverError =>
  codeOf(cause) === "ENOENT"
    ? new DriverError("UNAVAILABLE", `${path}: the file is gone; it is read again when it is back`, { cause })
    : systemError(path, cause);

/** One opening of the file: it reads until `end` is called, or until the file's end where it is not followed. */
class Session {
  readonly #plan: FilePlan;
  readonly #timers: Timers;
  readonly #events: SourceEvents;
  #file: OpenFile;
  #over = false;
  #paused: boolean;
  #wake: (() => void) | null = null;
  #run: Promise<void> = Promise.resolve();

  constructor(plan: FilePlan, timers: Timers, events: SourceEvents, file: OpenFile, paused: boolean) {
    this.#plan = plan;
    this.#timers = timers;
    this.#events = events;
    this.#file = file;
    this.#paused = paused;
  }

  start(): void {
    this.#run = this.#read().then((reason) => {
      if (!this.#over) this.#events.closed(reason);
    });
  }

  setPaused(paused: boolean): void {
    this.#paused = paused;
    if (!paused) this.#wake?.();
  }

  /** Resolves with the place where reading stopped, once nothing runs any more. */
  async end(): Promise<Left> {
    this.#over = true;
    this.#wake?.();
    await this.#run;
    return { identity: this.#file.identity, position: this.#file.position };
  }

  /** Waits for the time of the next look, or until something wakes it. */
  #idle(delayMs: number | null): Promise<void> {
    return new Promise((resolve) => {
      const cancel = delayMs === null ? () => undefined : this.#timers.after(delayMs, () => this.#wake?.());
      this.#wake = () => {
        this.#wake = null;
        cancel();
        resolve();
      };
    });
  }

  /** Reads to the end of what there is. */
  async #drain(): Promise<void> {
    const file = this.#file;
    const buffer = new Uint8Array(FILE_CHUNK_BYTES);
    while (!this.#over) {
      if (this.#paused) {
        await this.#idle(null);
        continue;
      }
      const { bytesRead } = await file.handle.read(buffer, 0, buffer.length, file.position);
      if (bytesRead === 0 || this.#over) return;
      file.position += bytesRead;
      this.#events.data(buffer.subarray(0, bytesRead));
    }
  }

  /** The path means another file now: the old one is read to its end, the new one from its beginning. */
  async #rotate(): Promise<void> {
    await this.#drain();
    if (this.#over) return;
    const next = await openRegular(this.#plan.path);
    await this.#file.handle.close();
    this.#file = next;
    this.#events.boundary(true);
  }

  async #look(): Promise<void> {
    const stats = await stat(this.#plan.path, { bigint: true });
    if (!same(identityOf(stats), this.#file.identity)) return this.#rotate();
    if (stats.size >= this.#file.position) return;
    this.#file.position = 0;
    this.#events.boundary(false);
  }

  async #follow(): Promise<void> {
    while (!this.#over) {
      await this.#drain();
      if (!this.#over) await this.#idle(this.#plan.poll_ms);
      if (!this.#over) await this.#look();
    }
  }

  async #once(): Promise<void> {
    await this.#drain();
    if (!this.#over) this.#events.boundary(true);
  }

  async #read(): Promise<DriverError | null> {
    try {
      await (this.#plan.follow ? this.#follow() : this.#once());
      return null;
    } catch (error) {
      // What was written just before the file was taken away can still be read.
      await this.#drain().catch(() => undefined);
      return gone(this.#plan.path, error);
    } finally {
      await this.#file.handle.close().catch(() => undefined);
    }
  }
}

const preroll = async (file: OpenFile, events: SourceEvents): Promise<void> => {
  const from = Math.max(0, file.position - FILE_PREROLL_BYTES);
  const buffer = new Uint8Array(file.position - from);
  const { bytesRead } = await file.handle.read(buffer, 0, buffer.length, from);
  events.preroll(buffer.subarray(0, bytesRead));
};

const startPosition = (plan: FilePlan, left: Left | null, file: OpenFile, size: number): number => {
  if (left !== null) return same(left.identity, file.identity) && left.position <= size ? left.position : 0;
  return plan.follow && plan.from === "end" ? size : 0;
};

/** Opens the file where reading is to begin. */
const openAt = async (plan: FilePlan, left: Left | null, events: SourceEvents): Promise<OpenFile> => {
  const file = await openRegular(plan.path);
  try {
    file.position = startPosition(plan, left, file, (await file.handle.stat()).size);
    if (file.position > 0) await preroll(file, events);
    return file;
  } catch (error) {
    await file.handle.close();
    throw error;
  }
};

export const fileSource = (plan: FilePlan, timers: Timers): ByteSource => {
  let session: Session | null = null;
  let paused = false;
  let left: Left | null = null;

  const open = async (events: SourceEvents): Promise<void> => {
    const file = await openAt(plan, left, events).catch((error: unknown) => {
      throw systemError(plan.path, error);
    });
    session = new Session(plan, timers, events, file, paused);
    session.start();
  };

  const close = async (): Promise<void> => {
    const ending = session;
    session = null;
    if (ending !== null) left = await ending.end();
  };

  const setPaused = (value: boolean): void => {
    paused = value;
    session?.setPaused(value);
  };

  return {
    place: plan.path,
    midStream: false,
    open,
    close,
    pause: () => setPaused(true),
    resume: () => setPaused(false),
  };
};
