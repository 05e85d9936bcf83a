// A serial device made of socat: a real pty with a stable name, whose other end is the test. Killing socat is pulling the cable.
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { until } from "./harness.ts";

export interface Pty {
  /** The stable name, as under /dev/serial/by-id. */
  readonly path: string;
  /** All that the device has received since it was plugged in first. */
  received(): string;
  plugIn(): Promise<void>;
  /** Without farewell: the name is gone or points nowhere. */
  unplug(): Promise<void>;
  say(text: string): void;
  dispose(): Promise<void>;
}

const ended = (child: ChildProcess): Promise<void> =>
  new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) resolve();
    else child.once("exit", () => resolve());
  });

export const createPty = async (socat: string): Promise<Pty> => {
  const folder = await mkdtemp(join(tmpdir(), "petrel-pty-"));
  const path = join(folder, "usb-Test_Device-if00");
  let child: ChildProcess | null = null;
  let received = "";

  const unplug = async (): Promise<void> => {
    const dying = child;
    child = null;
    if (dying === null) return;
    dying.kill("SIGKILL");
    await ended(dying);
    await rm(path, { force: true });
  };

  return {
    path,
    received: () => received,
    plugIn: async () => {
      const socatProcess = spawn(socat, [`pty,rawer,link=${path}`, "-"], {
        stdio: ["pipe", "pipe", "ignore"],
      });
      // After the driver has closed the port there is nobody to write to any more.
      socatProcess.stdin.on("error", () => undefined);
      socatProcess.stdout.on("data", (data: Buffer) => {
        received += data.toString("latin1");
      });
      child = socatProcess;
      await until(() => existsSync(path), "socat to make its pty");
    },
    unplug,
    say: (text) => void child?.stdin?.write(text),
    dispose: async () => {
      await unplug();
      await rm(folder, { recursive: true, force: true });
    },
  };
};
