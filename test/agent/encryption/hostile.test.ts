// A homeserver that wants the agent to act: commands shown again, under another sender, in another room, in clear, by a device that it added. What it writes is what
// the operator said, once; and nothing of it stops the sync.
import { describe, expect, it, onTestFinished } from "vitest";
import { type EncryptedClient, startEncryptedClient } from "#scripts/demo/encrypted-client.ts";
import { enter } from "#test/crypto/machine/scenarios/person.ts";
import { secondDevice } from "#test/crypto/machine/support/loopback.ts";
import type { Homeserver, TestUser } from "#test/homeserver/api.ts";
import { startHomeserver } from "#test/homeserver/homeserver.ts";
import type { StoredEvent } from "#test/homeserver/world.ts";
import { startTestAgent, type TestAgent } from "../whole-agent.ts";

const YAML = `encryption: { enabled: true }
commands: { list: { relay: { args: { state: {} }, write: { driver: probe, target: relay, payload: "{state}" } } } }`;

interface Site {
  readonly server: Homeserver;
  readonly operator: TestUser;
  readonly alice: EncryptedClient;
  readonly running: TestAgent;
  readonly rooms: { readonly data: string; readonly people: string };
}

const POLL_MS = 20;
const until = async (what: string, condition: () => boolean): Promise<void> => {
  for (const end = performance.now() + 60_000; performance.now() < end; ) {
    if (condition()) return;
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  expect.fail(`${what}: did not come`);
};

const site = async (): Promise<Site> => {
  const server = await startHomeserver({ profile: "synapse" });
  onTestFinished(() => server.stop());
  const [device, operator] = [await server.addUser("drone"), await server.addUser("alice")];
  const alice = await startEncryptedClient({ url: server.url, ...operator });
  onTestFinished(() => alice.stop());
  const { password, userId } = device;
  const running = await startTestAgent({
    url: server.url,
    userId,
    password,
    operators: [operator.userId],
    yaml: YAML,
  });
  const roomOf = (kind: "data" | "people"): string => running.agent.upstream.rooms()?.[kind].roomId ?? "";
  const isIn = (roomId: string): boolean =>
    server
      .events(roomId)
      .some(({ content, stateKey }) => stateKey === operator.userId && content["membership"] === "join");
  await until("the rooms, joined by the operator", () => isIn(roomOf("data")) && isIn(roomOf("people")));
  return { server, operator, alice, running, rooms: { data: roomOf("data"), people: roomOf("people") } };
};

/** The encrypted events of the operator, in the order of the room. */
const said = ({ operator, rooms, server }: Site): StoredEvent[] =>
  server
    .events(rooms.people)
    .filter(({ sender, type }) => sender === operator.userId && type === "m.room.encrypted");

const written = ({ running }: Site): string[] =>
  running.probe.written.map(({ payload }) => new TextDecoder().decode(payload));

const command = async (here: Site, state: string): Promise<void> => {
  const before = written(here).length;
  await here.alice.say(here.rooms.people, `relay ${state}`);
  await until(`relay ${state}`, () => written(here).length > before);
};

const causes = ({ running }: Site): unknown[] =>
  running.log
    .filter(({ message }) => message === "an encrypted event was refused")
    .map(({ fields }) => fields["cause"]);

describe("commands that the homeserver makes out of one", { timeout: 180_000 }, () => {
  it("are not run: again, under another name, in another room, altered, in clear", async () => {
    const here = await site();
    const { operator, rooms, server } = here;
    await command(here, "on");
    const [event] = said(here);
    if (event === undefined) throw new Error("nothing was said");
    const { content } = event;
    const type = "m.room.encrypted";
    const { userId: sender } = operator;
    server.inject({ roomId: rooms.people, sender, type, content });
    server.inject({ roomId: rooms.people, sender, type, content: { ...content, sender_key: "other" } });
    server.inject({ roomId: rooms.people, sender: "@mallory:localhost", type, content });
    server.inject({ roomId: rooms.data, sender, type, content });
    const body = String(content["ciphertext"]);
    server.inject({
      roomId: rooms.people,
      sender,
      type,
      content: { ...content, ciphertext: `${body.slice(0, -4)}AAAA` },
    });
    server.inject({ roomId: rooms.people, sender, type, content: { ...content, ciphertext: {} } });
    server.inject({
      roomId: rooms.people,
      sender,
      type: "m.room.message",
      content: { msgtype: "m.text", body: "relay clear" },
    });
    // What comes after all of it is run, so all of it was looked at.
    await command(here, "off");
    expect(written(here)).toEqual(["on", "off"]);
    expect(causes(here).sort()).toEqual(["malformed", "mismatched-sender", "replay", "replay"]);
    expect(here.running.fatal).toEqual([]);
  });

  it("are not run by a device of the operator's that only the homeserver knows of", async () => {
    const here = await site();
    const { operator, rooms, server } = here;
    await command(here, "on");
    const spy = await enter(server, await secondDevice(server, operator));
    await spy.say(rooms.people, "relay spy");
    await until("the refusal", () =>
      here.running.log.some(({ message }) => message === "a command was refused"),
    );
    await command(here, "off");
    expect(written(here)).toEqual(["on", "off"]);
  });
});
