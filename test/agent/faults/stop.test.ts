// The end of an agent at a bad moment: while it starts, while a request is under way, when there is something that no server takes.
import { describe, expect, it, onTestFinished } from "vitest";
import { until } from "#test/drivers/harness.ts";
import { startHomeserver } from "#test/homeserver/homeserver.ts";
import {
  ask,
  begin,
  check,
  closeScene,
  feed,
  firstFolder,
  isComplete,
  type Life,
  openScene,
  putAway,
  type Scene,
} from "./scene.ts";

const scene = async (): Promise<Scene> => {
  const server = await startHomeserver({ profile: "dendrite" });
  onTestFinished(() => server.stop());
  const made = await openScene(server);
  onTestFinished(() => closeScene(made));
  return made;
};

const start = async (here: Scene, folder: string): Promise<Life> => {
  const life = await begin(here, folder, null, 0);
  return life ?? expect.fail("no start");
};

describe("an agent that is stopped", () => {
  it("while it has not reached its homeserver yet comes to its end at once", async () => {
    const here = await scene();
    await here.server.offline();
    const life = await start(here, firstFolder(here));
    await feed(here, life, false);
    await putAway(life);
    expect(here.acknowledged.size).toBeGreaterThan(0);
    expect(life.fatal).toEqual([]);
    await here.server.online();
  });

  it("while a request is under way does not wait for it, and looks for its event at the next start", async () => {
    const here = await scene();
    const folder = firstFolder(here);
    const sending = { method: "PUT", path: /\/send\/dev\.petrel\.telemetry/ };
    here.server.fault({ kind: "answer-lost", match: sending, times: 1 });
    const stalled = here.server.fault({ kind: "stall", match: { path: /\/messages/ }, times: 1 });
    const first = await start(here, folder);
    await feed(here, first, false);
    await until(() => stalled.hits() === 1, "the look for the event");
    await putAway(first);
    await here.server.restart();
    const second = await start(here, folder);
    await until(() => {
      ask(here, second);
      return isComplete(here, second);
    }, "the rest");
    check(here, second, "stopped");
    await putAway(second);
    expect([...first.lines, ...second.lines].filter(({ level }) => level === "error")).toEqual([]);
  });

  it("refuses to put into the outbox what no server takes", async () => {
    const here = await scene();
    const life = await start(here, firstFolder(here));
    const send = (content: { [key: string]: string | number }): Promise<string> =>
      life.agent.upstream.send({ lane: "reply", roomId: "!r", type: "test", content });
    await expect(send({ n: 1.5 })).rejects.toMatchObject({ kind: "local" });
    await expect(send({ n: "x".repeat(65_000) })).rejects.toMatchObject({ kind: "local" });
    await putAway(life);
  });
});
