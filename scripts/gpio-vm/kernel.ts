// The guest's kernel: Debian's own image, and the two modules that Debian does not ship, compiled from Debian's own source: gpio-sim, and irq_sim that
// it needs. gpio-sim is unchanged; irq_sim is not meant to be a module and gets three small changes, each with its reason below.
import { copyFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Archive } from "./packages.ts";
import { run } from "./run.ts";

export interface Kernel {
  readonly abi: string;
  /** The bootable image. */
  readonly image: string;
  /** Modules in the order in which they are to be loaded. */
  readonly modules: readonly string[];
}

/** For the shared folders (9p over virtio) and for making the chip (configfs). */
const SHIPPED = [
  "fs/configfs/configfs",
  "drivers/virtio/virtio_ring",
  "drivers/virtio/virtio",
  "drivers/virtio/virtio_pci_modern_dev",
  "drivers/virtio/virtio_pci_legacy_dev",
  "drivers/virtio/virtio_pci",
  "fs/netfs/netfs",
  "fs/fscache/fscache",
  "net/9p/9pnet",
  "net/9p/9pnet_virtio",
  "fs/9p/9p",
];

/** The newest ABI for which image and headers are there; the source package is always of the newest. */
const newestAbi = async (archive: Archive): Promise<string> => {
  const images = await archive.names(/^linux-image-6\.1\.0-\d+-amd64$/);
  const numbers = images.map((name) => Number(/-(\d+)-amd64$/.exec(name)?.[1]));
  if (numbers.length === 0) throw new Error("no package linux-image-6.1.0-*-amd64 in Debian 12");
  return `6.1.0-${Math.max(...numbers)}`;
};

const patchIrqSim = (source: string): string => {
  const changed = source
    // A module needs its header and a licence; and handle_simple_irq(irq_to_desc()) uses what is not exported, generic_handle_irq does the same.
    .replace("#include <linux/slab.h>", "#include <linux/slab.h>\n#include <linux/module.h>")
    .replace("handle_simple_irq(irq_to_desc(irqnum));", "generic_handle_irq(irqnum);");
  if (!changed.includes("generic_handle_irq(irqnum)"))
    throw new Error("irq_sim.c is not as expected: look at its handler");
  return `${changed}\nMODULE_LICENSE("GPL v2");\n`;
};

const buildModules = async (work: string, headers: string): Promise<string> => {
  const build = join(work, "modules");
  mkdirSync(build, { recursive: true });
  const tree = "linux-source-6.1";
  const wanted = ["drivers/gpio/gpio-sim.c", "drivers/gpio/gpiolib.h", "kernel/irq/irq_sim.c"];
  const tarball = join(work, "source/usr/src/linux-source-6.1.tar.xz");
  await run("tar", ["-xJf", tarball, "-C", work, ...wanted.map((file) => `${tree}/${file}`)]);
  for (const file of wanted) copyFileSync(join(work, tree, file), join(build, file.split("/").at(-1) ?? ""));
  const irqSim = join(build, "irq_sim.c");
  writeFileSync(irqSim, patchIrqSim(readFileSync(irqSim, "utf8")));
  writeFileSync(join(build, "Makefile"), "obj-m := gpio-sim.o irq_sim.o\n");
  await run("make", ["-C", headers, `M=${build}`, "modules"]);
  return build;
};

/** The headers expect to lie under /usr/src; unpacked elsewhere, their one absolute path must follow. */
const relocateHeaders = (unpacked: string, abi: string): string => {
  const headers = join(unpacked, `usr/src/linux-headers-${abi}-amd64`);
  const makefile = join(headers, "Makefile");
  writeFileSync(makefile, readFileSync(makefile, "utf8").replaceAll("/usr/src/", `${unpacked}/usr/src/`));
  return headers;
};

export const buildKernel = async (
  archive: Archive,
  work: string,
  target: string,
  progress: (line: string) => void,
): Promise<Kernel> => {
  const abi = await newestAbi(archive);
  const unpacked = join(work, "kernel");
  progress(`downloading the kernel ${abi}, its headers and its source (220 MB)`);
  const kbuild = ["linux-kbuild-6.1", `linux-headers-${abi}-common`, `linux-headers-${abi}-amd64`];
  await archive.unpack([`linux-image-${abi}-amd64`, ...kbuild], unpacked);
  await archive.unpack(["linux-source-6.1"], join(work, "source"));
  progress("compiling gpio-sim and irq_sim");
  const build = await buildModules(work, relocateHeaders(unpacked, abi));
  mkdirSync(join(target, "modules"), { recursive: true });
  const image = join(target, "vmlinuz");
  copyFileSync(join(unpacked, "boot", `vmlinuz-${abi}-amd64`), image);
  const folder = join(unpacked, "lib/modules", `${abi}-amd64`, "kernel");
  const sources = [
    ...SHIPPED.map((name) => join(folder, `${name}.ko`)),
    join(build, "irq_sim.ko"),
    join(build, "gpio-sim.ko"),
  ];
  const modules = sources.map((path, index) => {
    const copy = join(target, "modules", `${String(index).padStart(2, "0")}-${path.split("/").at(-1)}`);
    copyFileSync(path, copy);
    return copy;
  });
  return { abi, image, modules };
};

/** The modules of a kernel that was built before. */
export const builtModules = (target: string): string[] =>
  readdirSync(join(target, "modules"))
    .sort()
    .map((name) => join(target, "modules", name));
