// The guest's file system: busybox, Node's libraries, both versions of libgpiod's tools, the modules and init.sh, as an initramfs. Version 2 comes with the
// loader and libc of its own release (Debian 13), because Debian 12's are too old for it.
import { readdirSync, readFileSync, realpathSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { type Entry, encodeCpio } from "./cpio.ts";
import { builtModules } from "./kernel.ts";
import type { Archive } from "./packages.ts";

const TOOLS = ["gpiodetect", "gpioinfo", "gpioget", "gpioset", "gpiomon"];
const LIBRARY = "lib/x86_64-linux-gnu";
/** What the tools and Node's own binary are linked with. */
const LIBRARIES =
  /^(ld-linux-x86-64|libc|libm|libdl|libpthread|librt|libstdc\+\+|libgcc_s|libgpiod)\.so\.\d+$/;

const FOLDERS = [
  "bin",
  "dev",
  "proc",
  "sys",
  "tmp",
  "lib",
  "lib64",
  LIBRARY,
  "modules",
  "repo",
  "node",
  "v1",
  "v1/bin",
  "v2",
  "v2/bin",
  "v2/lib",
  "v2/real",
];

const file = (path: string, from: string, mode = 0o755): Entry => ({
  kind: "file",
  path,
  data: readFileSync(realpathSync(from)),
  mode,
});

const libraries = (unpacked: string, into: string): Entry[] =>
  [LIBRARY, `usr/${LIBRARY}`].flatMap((folder) => {
    const from = join(unpacked, folder);
    if (statSync(from, { throwIfNoEntry: false }) === undefined) return [];
    return readdirSync(from)
      .filter((name) => LIBRARIES.test(name))
      .map((name) => file(`${into}/${name}`, join(from, name)));
  });

const wrapper = (tool: string): Entry => ({
  kind: "file",
  path: `v2/bin/${tool}`,
  mode: 0o755,
  data: Buffer.from(
    `#!/bin/sh\nexec /v2/lib/ld-linux-x86-64.so.2 --argv0 ${tool} --library-path /v2/lib /v2/real/${tool} "$@"\n`,
  ),
});

export const buildImage = async (
  archives: { readonly bookworm: Archive; readonly trixie: Archive },
  work: string,
  target: string,
): Promise<string> => {
  const [first, second] = [join(work, "bookworm"), join(work, "trixie")];
  await archives.bookworm.unpack(
    ["busybox-static", "libc6", "libstdc++6", "libgcc-s1", "gpiod", "libgpiod2"],
    first,
  );
  await archives.trixie.unpack(["libc6", "gpiod", "libgpiod3"], second);
  const entries: Entry[] = [
    ...FOLDERS.map((path): Entry => ({ kind: "folder", path })),
    file("bin/busybox", join(first, "bin/busybox")),
    { kind: "link", path: "bin/sh", target: "busybox" },
    { kind: "link", path: "lib64/ld-linux-x86-64.so.2", target: `/${LIBRARY}/ld-linux-x86-64.so.2` },
    ...libraries(first, LIBRARY),
    ...TOOLS.map((tool) => file(`v1/bin/${tool}`, join(first, "usr/bin", tool))),
    ...libraries(second, "v2/lib"),
    ...TOOLS.map((tool) => file(`v2/real/${tool}`, join(second, "usr/bin", tool))),
    ...TOOLS.map(wrapper),
    ...builtModules(target).map((path) => file(`modules/${path.split("/").at(-1)}`, path, 0o644)),
  ];
  const image = join(target, "initramfs.gz");
  writeFileSync(image, gzipSync(encodeCpio(entries)));
  return image;
};
