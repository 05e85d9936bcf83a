// What a guest script tells the test that started it: one line `RESULT {...}` per finding.
import { monoMs } from "./chip.ts";

export const say = (line: string): void => console.log(line);

export const result = (name: string, value: unknown): void =>
  say(`RESULT ${JSON.stringify({ name, value, atMs: Math.round(monoMs()) })}`);
