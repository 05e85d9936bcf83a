// The process itself, in numbers. What only main.ts can know comes in as `ProcessFigures`; what it wrote to the disk, from the kernel (proc(5), /proc/PID/io).
import { readFileSync } from "node:fs";
import type { Family } from "./exposition.ts";
import { counter, gauge, seconds } from "./families.ts";
import { type LoopHistogram, watchLoopDelay } from "./loop-delay.ts";

/** How late the event loop was, in milliseconds. */
export interface LoopDelay {
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

/** What only the composition root can know. */
export interface ProcessSource {
  memory(): { readonly rss: number; readonly heapUsed: number; readonly external: number };
  cpuMs(): number;
  /** Seconds since the epoch. */
  startedAt(): number;
  /** Begins to look at the event loop. */
  watchLoop(resolutionMs: number): LoopHistogram;
}

export interface ProcessFigures extends Omit<ProcessSource, "watchLoop"> {
  /** Null where nobody looks yet: the look begins with the first call. */
  loopDelay(): LoopDelay | null;
}

export interface DiskBytes {
  readonly read: number;
  readonly written: number;
}

/** `read_bytes: 4096` and `write_bytes: 8192`: what really went to and from the storage. */
export const parseProcIo = (text: string): DiskBytes | null => {
  const of = (key: string): string | undefined => new RegExp(`^${key}: (\\d+)$`, "m").exec(text)?.[1];
  const [read, written] = [of("read_bytes"), of("write_bytes")];
  return read === undefined || written === undefined
    ? null
    : { read: Number(read), written: Number(written) };
};

const diskBytes = (): DiskBytes | null => {
  try {
    return parseProcIo(readFileSync("/proc/self/io", "utf8"));
  } catch {
    // No Linux, or a kernel without task I/O accounting.
    return null;
  }
};

export const figuresOf = (source: ProcessSource, monoMs: () => number): ProcessFigures => ({
  memory: () => source.memory(),
  cpuMs: () => source.cpuMs(),
  startedAt: () => source.startedAt(),
  loopDelay: watchLoopDelay((resolutionMs) => source.watchLoop(resolutionMs), monoMs),
});

const loopFamilies = (delay: LoopDelay | null): Family[] => {
  const of = (what: keyof LoopDelay, words: string): Family =>
    gauge(
      `petrel_event_loop_delay_${what}_seconds`,
      `How late the event loop was within the last minute or so: ${words}.`,
      delay === null ? null : seconds(delay[what]),
    );
  return [of("p50", "half of the looks"), of("p99", "all but one in a hundred"), of("max", "the latest")];
};

export const processFamilies = (figures: ProcessFigures): Family[] => {
  const { external, heapUsed, rss } = figures.memory();
  const disk = diskBytes();
  return [
    counter(
      "petrel_disk_written_bytes_total",
      "Bytes that this process caused to be written to the storage, by the kernel's count.",
      disk?.written,
    ),
    counter("petrel_disk_read_bytes_total", "Bytes that it caused to be read from the storage.", disk?.read),
    ...loopFamilies(figures.loopDelay()),
    gauge("process_resident_memory_bytes", "Resident memory.", rss),
    gauge("petrel_heap_used_bytes", "JavaScript objects.", heapUsed),
    gauge("petrel_external_memory_bytes", "Buffers outside of the JavaScript heap.", external),
    counter("process_cpu_seconds_total", "Processor time, user and system.", seconds(figures.cpuMs())),
    gauge(
      "process_start_time_seconds",
      "When the process began, seconds since the epoch.",
      figures.startedAt(),
    ),
  ];
};
