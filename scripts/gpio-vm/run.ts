// Runs a program to its end and gives its output; a failure shows the last of it.
import { spawn } from "node:child_process";

const TAIL_CHARS = 2_000;

export const run = (
  program: string,
  args: readonly string[],
  options: { readonly cwd?: string } = {},
): Promise<string> =>
  new Promise((resolve, reject) => {
    const child = spawn(program, args, { ...options, stdio: ["ignore", "pipe", "pipe"] });
    let output = "";
    let all = "";
    child.stdout.on("data", (chunk: Buffer) => {
      output += chunk.toString();
      all += chunk.toString();
    });
    child.stderr.on("data", (chunk: Buffer) => {
      all += chunk.toString();
    });
    child.once("error", reject);
    child.once("close", (code) => {
      if (code === 0) resolve(output);
      else
        reject(
          new Error(
            `${program} ${args.join(" ").slice(0, 200)} ended with ${code}: ${all.slice(-TAIL_CHARS)}`,
          ),
        );
    });
  });
