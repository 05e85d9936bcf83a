// A real GPIO chip in an emulated machine: the kernel's own gpio-sim in a Debian kernel, with libgpiod 1 (Debian 12) or 2 (Debian 13), this checkout and Node.
// The first run downloads 230 MB and compiles two modules (a minute); then a run takes 10 to 20 s.
//
//   node scripts/gpio-vm.ts --libgpiod 2 test/drivers/gpio/guest/driver.ts      runs a script in the guest, ends with its exit code
//   node scripts/gpio-vm.ts --install                                            only fills the cache (PETREL_CACHE, or .cache)
//
// Debian, amd64, with: qemu-system-x86, gcc, make, xz-utils, libelf1. No root, no /dev/kvm.
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { bundleScripts, type GuestFile, guestPath } from "./gpio-vm/bundle.ts";
import { buildImage } from "./gpio-vm/image.ts";
import { buildKernel } from "./gpio-vm/kernel.ts";
import { hostMirror, openArchive } from "./gpio-vm/packages.ts";
import { bootGuest, type GuestResult } from "./gpio-vm/qemu.ts";
import { cached, cacheFolder } from "./servers/cache.ts";
import { which } from "./servers/child.ts";

const PROJECT = resolve(dirname(fileURLToPath(import.meta.url)), "..");
/** Raised when what the cache holds would be made differently. */
const CACHE_NAME = "gpio-vm-1";
const NEEDED = ["qemu-system-x86_64", "apt-get", "dpkg-deb", "gcc", "make", "tar", "xz"];
const GUEST_LIMIT_MS = 240_000;

export interface GuestOptions {
  readonly libgpiod: 1 | 2;
  /** Further arguments of the script. */
  readonly args?: readonly string[];
  /** Further scripts of the checkout, bundled beside the first: `/job/<name>.mjs`. */
  readonly also?: readonly string[];
  /** Packages that files of the checkout stand in for. */
  readonly alias?: Readonly<Record<string, string>>;
  /** Further files in the guest, by their path from its root. */
  readonly files?: readonly GuestFile[];
  readonly limitMs?: number;
  readonly onLine?: (line: string) => void;
}

/** What is missing on this machine for the emulated one, or null. */
export const missingForGuest = (): string | null => {
  if (process.arch !== "x64" || process.platform !== "linux") return "linux on amd64";
  const missing = NEEDED.find((program) => which(program) === null);
  return missing ?? (hostMirror() === null ? "a Debian mirror and debian-archive-keyring" : null);
};

/** Whether the guest is built already, so that a run is short. */
export const isGuestBuilt = (): boolean => existsSync(join(cacheFolder(), CACHE_NAME, "initramfs.gz"));

const build = (progress: (line: string) => void): Promise<string> =>
  cached(CACHE_NAME, "initramfs.gz", async (folder) => {
    const work = await mkdtemp(join(tmpdir(), "petrel-gpio-vm-"));
    try {
      progress("reading the package lists of Debian 12 and 13");
      const bookworm = await openArchive("bookworm", work);
      const trixie = await openArchive("trixie", work);
      await buildKernel(bookworm, work, folder, progress);
      progress("making the guest's file system");
      await buildImage({ bookworm, trixie }, work, folder);
    } finally {
      await rm(work, { recursive: true, force: true });
    }
  });

/**
 * Boots the guest, runs one of this checkout's scripts in it with Node (bundled to one file, with what it imports), and gives its exit code and
 * output. A script without types that ends in .js, .mjs or .cjs is run as it is, from the shared checkout.
 */
export const runInGuest = async (scriptPath: string, options: GuestOptions): Promise<GuestResult> => {
  const onLine = options.onLine ?? (() => undefined);
  const folder = await build(onLine);
  const bundled = scriptPath.endsWith(".ts");
  const files = bundled
    ? await bundleScripts(PROJECT, [scriptPath, ...(options.also ?? [])], options.alias ?? {})
    : [];
  return bootGuest({
    kernel: join(folder, "vmlinuz"),
    initramfs: join(folder, "initramfs.gz"),
    init: join(PROJECT, "scripts/gpio-vm/init.sh"),
    checkout: PROJECT,
    nodeFolder: dirname(process.execPath),
    libgpiod: options.libgpiod,
    args: [bundled ? `/${guestPath(scriptPath)}` : scriptPath, ...(options.args ?? [])],
    files: [...files, ...(options.files ?? [])],
    limitMs: options.limitMs ?? GUEST_LIMIT_MS,
    onLine,
  });
};

const main = async (): Promise<void> => {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { libgpiod: { type: "string", default: "2" }, install: { type: "boolean", default: false } },
  });
  const missing = missingForGuest();
  if (missing !== null) throw new Error(`this needs ${missing}`);
  const onLine = (line: string): void => console.log(line);
  if (values.install) {
    console.log(await build(onLine));
    return;
  }
  const [script, ...args] = positionals;
  if (script === undefined || (values.libgpiod !== "1" && values.libgpiod !== "2"))
    throw new Error("expected: node scripts/gpio-vm.ts [--libgpiod 1|2] <script> [argument ...]");
  const { code } = await runInGuest(script, { libgpiod: values.libgpiod === "1" ? 1 : 2, args, onLine });
  process.exitCode = code ?? 1;
};

if (process.argv[1] === fileURLToPath(import.meta.url)) await main();
