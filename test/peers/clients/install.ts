// Installs matrix-nio (with vodozemac) into the cache folder: a virtual environment, 69 MB.
//   node test/peers/clients/install.ts
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { cached, cacheFolder } from "#scripts/servers/cache.ts";
import { NIO_VERSION } from "./client.ts";

const run = (command: string, args: readonly string[]): void => {
  const { error, status } = spawnSync(command, [...args], { stdio: "inherit" });
  if (error !== undefined || status !== 0)
    throw new Error(`"${command} ${args.join(" ")}" failed: ${error?.message ?? `exit code ${status}`}`);
};

if (import.meta.main) {
  await cached(`nio-${NIO_VERSION}`, "bin/python", (folder) => {
    run(process.env["PETREL_PYTHON"] ?? "python3", ["-m", "venv", folder]);
    run(join(folder, "bin/python"), ["-m", "pip", "install", "--quiet", `matrix-nio[e2e]==${NIO_VERSION}`]);
    return Promise.resolve();
  });
  console.log(`matrix-nio ${NIO_VERSION}: installed into ${cacheFolder()}`);
}
