// Boots the guest and listens to its console until it says how its script ended.
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { stripVTControlCharacters } from "node:util";
import type { GuestFile } from "./bundle.ts";
import { type Entry, encodeCpio } from "./cpio.ts";

export interface Boot {
  readonly kernel: string;
  readonly initramfs: string;
  readonly init: string;
  /** Shared read-only: nothing else of this machine is. */
  readonly checkout: string;
  readonly nodeFolder: string;
  readonly libgpiod: 1 | 2;
  /** Arguments of node in the guest, whose working folder is the checkout. */
  readonly args: readonly string[];
  /** Put into the guest's root. */
  readonly files: readonly GuestFile[];
  readonly limitMs: number;
  readonly onLine: (line: string) => void;
}

export interface GuestResult {
  /** The script's exit code; null when the guest ended without telling. */
  readonly code: number | null;
  readonly lines: readonly string[];
}

const END = /^PETREL-GUEST-END rc=(\d+)/;

const share = (tag: string, path: string): string[] => [
  "-virtfs",
  `local,path=${path},mount_tag=${tag},security_model=none,readonly=on,multidevs=remap`,
];

const qemuArguments = ({ kernel, checkout, nodeFolder }: Boot, initramfs: string): string[] => [
  ...["-accel", "tcg", "-cpu", "max", "-smp", "1", "-m", "768"],
  ...["-nographic", "-no-reboot", "-nodefaults", "-serial", "stdio", "-monitor", "none"],
  ...["-kernel", kernel, "-initrd", initramfs, "-append", "console=ttyS0 panic=-1 quiet"],
  ...share("repo", checkout),
  ...share("node", nodeFolder),
];

const quoted = (word: string): string => `'${word.replaceAll("'", `'\\''`)}'`;

/** The base image and, behind it, what this run adds: init and the job. */
const writeInitramfs = (boot: Boot, folder: string): string => {
  const job = `LIBGPIOD=${boot.libgpiod}\nARGUMENTS=${quoted(boot.args.join(" "))}\n`;
  const addition = encodeCpio([
    { kind: "file", path: "init", data: readFileSync(boot.init), mode: 0o755 },
    { kind: "file", path: "job.sh", data: Buffer.from(job), mode: 0o644 },
    { kind: "folder", path: "job" },
    ...boot.files.map((file): Entry => ({ kind: "file", mode: 0o755, ...file })),
  ]);
  const path = join(folder, "initramfs");
  const base = readFileSync(boot.initramfs);
  // An uncompressed archive must begin at a multiple of four bytes; the kernel skips zeros before it.
  writeFileSync(path, Buffer.concat([base, Buffer.alloc(-base.length & 3), addition]));
  return path;
};

export const bootGuest = async (boot: Boot): Promise<GuestResult> => {
  const folder = mkdtempSync(join(tmpdir(), "petrel-guest-"));
  const lines: string[] = [];
  let code: number | null = null;
  try {
    const child = spawn("qemu-system-x86_64", qemuArguments(boot, writeInitramfs(boot, folder)), {
      stdio: ["ignore", "pipe", "pipe"],
    });
    const exited = new Promise<void>((resolve, reject) => {
      child.once("error", reject);
      child.once("close", () => resolve());
    });
    const timer = setTimeout(() => child.kill("SIGKILL"), boot.limitMs);
    const take = (line: string): void => {
      // The firmware's escape sequences and the line ends of a serial console.
      const text = stripVTControlCharacters(line).replaceAll("\r", "");
      const end = END.exec(text);
      if (end !== null) code = Number(end[1]);
      lines.push(text);
      boot.onLine(text);
    };
    createInterface({ input: child.stdout }).on("line", take);
    createInterface({ input: child.stderr }).on("line", take);
    await exited.finally(() => clearTimeout(timer));
    return { code, lines };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
};
