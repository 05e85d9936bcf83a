// The child's end of a call protocol: one JSON object per line, {id, call, args} in, {id, value} or {id, error} out.
// Bytes cross as base64 text. Unlike the oracle protocol of test/peers/olm it names no operations: each peer has its own.
import { createInterface } from "node:readline";

export type Call = (...args: never[]) => unknown;

const text = (error: unknown): string =>
  (error instanceof Error ? error.message : String(error)) || "refused";

/** Answers each line of stdin until it ends. */
export const serve = (calls: { readonly [name: string]: Call }): void => {
  const answer = async (line: string): Promise<void> => {
    // The parent is ours (client.ts): it sends this shape.
    const { id, call, args } = JSON.parse(line) as { id: number; call: string; args: never[] };
    const result = await Promise.resolve()
      .then(() => {
        const fn = calls[call];
        if (fn === undefined) throw new Error(`no call ${call}`);
        return fn(...args);
      })
      .then(
        (value) => ({ id, value: value ?? null }),
        (error: unknown) => ({ id, error: text(error) }),
      );
    process.stdout.write(`${JSON.stringify(result)}\n`);
  };
  createInterface({ input: process.stdin }).on("line", (line) => void answer(line));
};

export const toBytes = (base64: string): Uint8Array<ArrayBuffer> =>
  new Uint8Array(Buffer.from(base64, "base64"));
export const toText = (bytes: Uint8Array): string => Buffer.from(bytes).toString("base64");
