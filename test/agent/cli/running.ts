// What the tests of a running agent share: its log as lines, its end, and that it is online.
import { expect } from "vitest";
import type { Petrel, Ran, Site } from "./petrel.ts";

/** The lines of the log (JSON, since it is no terminal) at a level. */
export const lines = (output: string, level: string): string[] =>
  output
    .split("\n")
    .filter((line) => line.startsWith("{"))
    .map((line) => JSON.parse(line) as { level: string; msg: string }) // pino writes both
    .filter((line) => line.level === level)
    .map(({ msg }) => msg);

export const expectEnd = ({ code, stderr }: Ran, wanted: number, said: RegExp): void => {
  expect(lines(stderr, "error")).toEqual([expect.stringMatching(said)]);
  expect(stderr).not.toMatch(/\n +at /);
  expect(code).toBe(wanted);
};

export const online = async (site: Site, agent: Petrel): Promise<void> => {
  await agent.says(/the homeserver is reachable/);
  await site.server.waitUntil(() => site.telemetry() !== "", 20_000);
};

export const stopped = async (agent: Petrel): Promise<Ran> => {
  agent.signal("SIGTERM");
  return agent.ended;
};
