// Debian packages for the guest, of releases that the host need not have: apt with a root of its own, so that nothing of the host's package state is
// read or changed. Downloads are checked by apt against Debian's keys. Needs no root.
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { run } from "./run.ts";

const KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg";

export type Release = "bookworm" | "trixie";

const readAll = (folder: string): string =>
  existsSync(folder)
    ? readdirSync(folder)
        .map((name) => readFileSync(join(folder, name), "utf8"))
        .join("\n")
    : "";

/** The Debian mirror that this machine uses, from its own lists; null when it is no Debian or has none. */
export const hostMirror = (): string | null => {
  const list = existsSync("/etc/apt/sources.list") ? readFileSync("/etc/apt/sources.list", "utf8") : "";
  const text = `${list}\n${readAll("/etc/apt/sources.list.d")}`;
  const found = /^(?:URIs:|deb(?:\s+\[[^\]]*\])?)\s+(\S+\/debian)\/?(?:\s|$)/m.exec(text);
  return existsSync(KEYRING) ? (found?.[1] ?? null) : null;
};

export interface Archive {
  /** Names of all packages that match. */
  names(pattern: RegExp): Promise<string[]>;
  /** Downloads packages and unpacks them into a folder. */
  unpack(packages: readonly string[], target: string): Promise<void>;
}

const rootFolders = [
  "etc/apt/preferences.d",
  "var/lib/dpkg",
  "var/lib/apt/lists/partial",
  "var/cache/apt/archives/partial",
];

export const openArchive = async (release: Release, work: string): Promise<Archive> => {
  const root = join(work, `apt-${release}`);
  for (const folder of rootFolders) mkdirSync(join(root, folder), { recursive: true });
  writeFileSync(join(root, "var/lib/dpkg/status"), "");
  const mirror = hostMirror();
  if (mirror === null)
    throw new Error("no Debian mirror in /etc/apt, or no debian-archive-keyring: this needs a Debian host");
  writeFileSync(join(root, "etc/apt/sources.list"), `deb [signed-by=${KEYRING}] ${mirror} ${release} main\n`);
  const settings = {
    Dir: root,
    "Dir::State::status": join(root, "var/lib/dpkg/status"),
    "APT::Architecture": "amd64",
    "APT::Sandbox::User": "",
    "Acquire::Languages": "none",
  };
  const options = Object.entries(settings).flatMap(([key, value]) => ["-o", `${key}=${value}`]);
  await run("apt-get", [...options, "-q", "update"]);
  return {
    names: async (pattern) => {
      const all = await run("apt-cache", [...options, "pkgnames"]);
      return all.split("\n").filter((name) => pattern.test(name));
    },
    unpack: async (packages, target) => {
      const store = join(work, `debs-${release}`);
      mkdirSync(store, { recursive: true });
      mkdirSync(target, { recursive: true });
      await run("apt-get", [...options, "-q", "download", ...packages], { cwd: store });
      for (const name of packages) {
        const file = readdirSync(store).find((entry) => entry.startsWith(`${name}_`));
        if (file === undefined) throw new Error(`apt-get download ${name} left no file`);
        await run("dpkg-deb", ["-x", join(store, file), target]);
      }
    },
  };
};
