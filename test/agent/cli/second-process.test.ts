// A second process beside an agent in encrypted rooms, and in the place of one that was killed: refused, or through the control socket; nobody's sessions break
// (complement-crypto's scenarios of several processes on one store).
import { expect, it, onTestFinished } from "vitest";
import { type EncryptedClient, startEncryptedClient } from "#scripts/demo/encrypted-client.ts";
import { makeSite, PASSWORD, type Petrel, type Site } from "./petrel.ts";

const POLL_MS = 20;
const until = async (what: string, condition: () => boolean): Promise<void> => {
  for (const end = performance.now() + 60_000; performance.now() < end; ) {
    if (condition()) return;
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  expect.fail(`${what}: did not come`);
};

const running = async (site: Site): Promise<Petrel> => {
  const agent = site.start(["run"]);
  await agent.says(/the homeserver is reachable/);
  return agent;
};

/** What the operator read of the agent's words, in order. */
const read = ({ device }: Site, { events }: EncryptedClient): string[] =>
  events
    .filter(({ event: { sender, type } }) => sender === device.userId && type === "m.room.message")
    .map(({ event }) => String(event.content["body"]));

it("is refused or goes through the agent, and nothing wedges", { timeout: 240_000 }, async () => {
  const site = await makeSite({ encrypted: true });
  site.configure({
    encrypted: true,
    rooms: `{ operators: ["${site.operator.userId}"], status_every: 60s }`,
  });
  const alice = await startEncryptedClient({ url: site.server.url, ...site.operator });
  onTestFinished(() => alice.stop());
  const agent = await running(site);
  const readsAll = (...words: readonly string[]): Promise<void> =>
    until(words.join(), () => words.every((word) => read(site, alice).includes(word)));

  // One by one: which of several processes is first, nobody orders.
  await site.petrel(["send", "one"]);
  const tail = site.start(["tail", "-n", "1"]);
  const [second, login, backup] = await Promise.all([
    site.petrel(["run"]),
    site.petrel(["login"], { input: PASSWORD }),
    site.petrel(["backup", "status"]),
  ]);
  expect([second.code, login.code]).toEqual([4, 4]);
  expect(backup.stderr).not.toMatch(/\n +at /);
  await tail.says(/battery/);
  await site.petrel(["send", "two"]);
  await readsAll("one", "two");
  tail.signal("SIGINT");
  await tail.ended;

  // Killed with whatever was on its way; the store is a verb's for a moment, then another agent's.
  agent.signal("SIGKILL");
  await agent.ended;
  expect((await site.petrel(["send", "three"])).stdout).toContain("kept");
  const again = await running(site);
  await readsAll("three");
  const rooms = [...new Set(alice.events.map(({ event }) => event.roomId))];
  const people = rooms.find((roomId) =>
    alice.events.some(({ event }) => event.roomId === roomId && event.content["body"] === "one"),
  );
  await alice.say(people ?? "", "version");
  await until("the answer", () =>
    alice.events.some(({ event }) => JSON.stringify(event.content).includes("m.in_reply_to")),
  );

  for (const word of ["one", "two", "three"])
    expect(read(site, alice).filter((each) => each === word)).toEqual([word]);
  const { undecrypted } = await alice.engine.view([]);
  expect(undecrypted).toEqual({});
  expect(agent.stderr() + again.stderr()).not.toMatch(/one-time|wedged|could not be decrypted/);
});
