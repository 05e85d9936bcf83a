// `npm run peers`: installs the peers that the tests run beside (real homeservers, other Olm implementations) into the cache folder, each once.
// What Debian packages (mosquitto, socat, strace, ...) is installed by .ci/run or by you; a peer that cannot be had is named at the end.
import { spawn } from "node:child_process";
import { cacheFolder } from "./servers/cache.ts";

interface PeerInstall {
  readonly name: string;
  readonly args: readonly string[];
}

const PEERS: readonly PeerInstall[] = [
  { name: "synapse", args: ["scripts/synapse.ts", "--install"] },
  { name: "dendrite", args: ["scripts/dendrite.ts", "--install"] },
  { name: "vodozemac", args: ["test/peers/olm/install.ts", "vodozemac"] },
  { name: "goolm", args: ["test/peers/olm/install.ts", "goolm"] },
  { name: "matrix-nio", args: ["test/peers/clients/install.ts"] },
  { name: "gpio-vm", args: ["scripts/gpio-vm.ts", "--install"] },
];

const install = ({ args, name }: PeerInstall): Promise<boolean> =>
  new Promise((resolve) => {
    const begun = performance.now();
    console.log(`peers: ${name} ...`);
    const child = spawn(process.execPath, [...args], { stdio: "inherit" });
    const tick = setInterval(
      () => console.log(`peers: ${name} ... ${Math.round((performance.now() - begun) / 1000)} s`),
      15_000,
    );
    child.once("exit", (code) => {
      clearInterval(tick);
      console.log(
        `peers: ${name} ${code === 0 ? "is there" : "could not be installed"} (${((performance.now() - begun) / 1000).toFixed(1)} s)`,
      );
      resolve(code === 0);
    });
  });

console.log(`peers: into ${cacheFolder()}`);
const missing: string[] = [];
for (const peer of PEERS) if (!(await install(peer))) missing.push(peer.name);
if (missing.length > 0) {
  console.error(
    `peers: missing: ${missing.join(", ")}; tests that need them are skipped, or fail under PETREL_PEERS=required`,
  );
  process.exitCode = 1;
}
