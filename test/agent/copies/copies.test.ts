// Whole agents over copies of one store: who is refused, who goes on. With real processes: test/agent/cli/device.long.test.ts.
import { cpSync } from "node:fs";
import { expect, it, onTestFinished } from "vitest";
import { CliError } from "#agent/exit.ts";
import { startHomeserver } from "#test/homeserver/homeserver.ts";
import { startTestAgent, type TestAgent, type TestAgentOptions, temporaryFolder } from "../whole-agent.ts";

const PATIENCE_MS = 25_000;

interface Site {
  start(options: Partial<TestAgentOptions>): Promise<TestAgent>;
  requests(): number;
}

const site = async (): Promise<Site> => {
  const server = await startHomeserver();
  onTestFinished(() => server.stop());
  const { password, userId } = await server.addUser("drone");
  return {
    start: (options) => startTestAgent({ url: server.url, userId, password, ...options }),
    requests: () => server.countRequests(),
  };
};

const until = async (condition: () => boolean): Promise<void> => {
  for (const end = performance.now() + PATIENCE_MS; !condition() && performance.now() < end; )
    await new Promise((resolve) => setTimeout(resolve, 10));
  expect(condition()).toBe(true);
};

const isUp = ({ agent }: TestAgent): boolean => agent.upstream.linkUp();

const refusalOf = async ({ fatal }: TestAgent): Promise<CliError> => {
  await until(() => fatal.length > 0);
  const [error] = fatal;
  if (!(error instanceof CliError)) throw error;
  return error;
};

const runOnce = async (here: Site, options: Partial<TestAgentOptions>): Promise<void> => {
  const running = await here.start(options);
  await until(() => isUp(running));
  await running.stop();
  expect(running.fatal).toEqual([]);
};

const copyOf = (folder: string): string => {
  const copy = temporaryFolder();
  cpSync(folder, copy, { recursive: true });
  return copy;
};

it("a store on another board asks for nothing, and says what to do", async () => {
  const here = await site();
  const folder = temporaryFolder();
  await runOnce(here, { folder, boardName: "board-a" });
  const before = here.requests();
  const moved = await here.start({ folder: copyOf(folder), boardName: "board-b" });
  const refusal = await refusalOf(moved);
  expect(refusal.exitCode).toBe(7);
  expect(refusal.message).toMatch(/another board.*petrel device moved.*petrel device reset/);
  expect(here.requests()).toBe(before);
  await runOnce(here, { folder, boardName: "board-a" });
});

it("an old copy that was put back is refused, and so is one that another board has run since", async () => {
  const here = await site();
  const folder = temporaryFolder();
  await runOnce(here, { folder, boardName: "board-a" });
  const old = copyOf(folder);
  await runOnce(here, { folder, boardName: "board-a" });
  expect((await refusalOf(await here.start({ folder: old, boardName: "board-a" }))).message).toContain(
    "an old copy was put back",
  );
  const elsewhere = await here.start({ folder: copyOf(old), boardName: "any" });
  expect((await refusalOf(elsewhere)).message).toContain("newer state of this store");
});

it("a copy that starts beside a running agent is told to stop, and the one that was first goes on", async () => {
  const here = await site();
  const first = await here.start({ boardName: "board-a" });
  await until(() => isUp(first));
  await first.probe.emit([{ value: 1 }]);
  const second = await here.start({ folder: copyOf(first.folder), boardName: "board-a" });
  expect((await refusalOf(second)).message).toContain("started earlier");
  await until(() => first.log.some(({ message }) => message.includes("it is told to stop")));
  await second.stop();
  await first.stop();
  expect(first.fatal).toEqual([]);
  await runOnce(here, { folder: first.folder, boardName: "board-a" });
});

it("a disk that forgot the last start before a power cut is no copy: it goes on, with what waits in doubt", async () => {
  const here = await site();
  const folder = temporaryFolder();
  await runOnce(here, { folder, boardName: "board-a", bootId: "boot-1" });
  const old = copyOf(folder);
  await runOnce(here, { folder, boardName: "board-a", bootId: "boot-2" });
  const running = await here.start({ folder: old, boardName: "board-a", bootId: "boot-3" });
  await until(() => isUp(running));
  expect(running.log.filter(({ level }) => level === "error").map(({ message }) => message)).toContainEqual(
    expect.stringContaining("the disk does not keep"),
  );
  expect(running.fatal).toEqual([]);
});
