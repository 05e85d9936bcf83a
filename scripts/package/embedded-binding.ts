// Stands in, inside the single executable, for the file of @serialport/bindings-cpp that finds its native half on disk (dist/serialport-bindings.js).
// The kernel maps code from a file only, so the binding is written to a private folder, loaded and removed at once: the mapping keeps it.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** scripts/package/bundle.ts puts it here, in base64. */
declare const PETREL_SERIAL_BINDING: string;

const loadFrom = (parent: string): unknown => {
  // mkdtemp makes a folder that only this user can enter: nobody can put another file under the name before it is loaded.
  const folder = mkdtempSync(join(parent, "petrel-serial-"));
  try {
    const file = join(folder, "bindings.node");
    writeFileSync(file, Buffer.from(PETREL_SERIAL_BINDING, "base64"), { mode: 0o500 });
    const loaded = { exports: {} };
    process.dlopen(loaded, file);
    return loaded.exports;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
};

/** A temporary folder may be mounted noexec; these are seldom all so. */
const PARENTS: readonly string[] = [tmpdir(), "/var/tmp", "/dev/shm"];

const load = (): unknown => {
  const reasons: string[] = [];
  for (const parent of PARENTS) {
    try {
      return loadFrom(parent);
    } catch (error) {
      reasons.push(`${parent}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  throw new Error(
    `the serial binding could be loaded from no temporary folder; set TMPDIR to one that is not mounted noexec (${reasons.join("; ")})`,
  );
};

/** The name under which the package's own file exports it. */
export const binding: unknown = load();
