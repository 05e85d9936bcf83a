// Starts a peer of the cryptographic formats in a child process: libolm registers handlers for uncaught exceptions, and the
// WebAssembly of matrix-sdk-crypto takes 70 MB. All are dev dependencies, so they are always there.
import { spawn } from "node:child_process";
import { basename } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

export type PeerName = "libolm" | "rust-sdk" | "rust-machine" | "rust-client" | "js-sdk";

export interface Peer {
  /** The peer's answer. Rejects where it refuses; T is what the caller knows that it answers. */
  call<T>(name: string, ...args: readonly unknown[]): Promise<T>;
  close(): Promise<void>;
}

type Answer = { readonly id: number; readonly value?: unknown; readonly error?: string };
type Waiting = { readonly resolve: (value: unknown) => void; readonly reject: (error: Error) => void };

/** Starts it; `close` ends its input and waits until it is gone. */
export const startPeer = (peer: PeerName): Peer => startPeerFile(new URL(`./${peer}.ts`, import.meta.url));

/** The same with a file of one's own: `new URL("./their-machine.ts", import.meta.url)`. */
export const startPeerFile = (url: URL): Peer =>
  startProgram(basename(url.pathname, ".ts"), process.execPath, [fileURLToPath(url)]);

/** The same with any program that speaks the protocol of serve.ts. */
export const startProgram = (peer: string, command: string, args: readonly string[]): Peer => {
  const child = spawn(command, [...args], { stdio: ["pipe", "pipe", "pipe"] });
  const gone = new Promise<void>((resolve) => child.once("close", () => resolve()));
  const waiting = new Map<number, Waiting>();
  let stderr = "";
  let nextId = 1;
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr = (stderr + text).slice(-4000);
  });
  child.on("close", (code) => {
    for (const { reject } of waiting.values()) reject(new Error(`${peer} ended with ${code}: ${stderr}`));
  });
  createInterface({ input: child.stdout }).on("line", (line) => {
    // The child is ours (serve.ts): it answers in this shape.
    const { id, value, error } = JSON.parse(line) as Answer;
    const { resolve, reject } = waiting.get(id) ?? {};
    waiting.delete(id);
    if (error === undefined) resolve?.(value);
    else reject?.(new Error(error));
  });
  return {
    call: <T>(name: string, ...args: readonly unknown[]): Promise<T> => {
      const id = nextId++;
      child.stdin.write(`${JSON.stringify({ id, call: name, args })}\n`);
      return new Promise<T>((resolve, reject) => {
        // The caller names the type of its peer's answer; a wrong one fails in its assertions.
        waiting.set(id, { resolve: (value) => resolve(value as T), reject });
      });
    },
    close: (): Promise<void> => {
      child.stdin.end();
      return gone;
    },
  };
};
