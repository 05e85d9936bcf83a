// The agent's encryption before matrix-nio (with vodozemac), on a real Synapse: the operator's second client, which knows no cross-signing: the first one
// (matrix-js-sdk) vouches for it. Both are processes of their own. The tests are the steps of one story, in this order.
import { randomBytes } from "node:crypto";
import { beforeAll, expect, it, vi } from "vitest";
import type { Running } from "#scripts/servers/child.ts";
import type { RealServer } from "#scripts/servers/types.ts";
import { startSynapse, synapseAvailable } from "#scripts/synapse.ts";
import {
  type ClientAccount,
  type Comparison,
  nioAvailable,
  type PersonClient,
  type SeenEvent,
  startNio,
} from "#test/peers/clients/client.ts";
import { call, type JsonObject, list, text } from "#test/peers/http.ts";
import { needs } from "#test/support/peers.ts";
import { eventually, makeSite, online, type Site } from "../site.ts";
import { createWitness } from "../witness.ts";
import { approver, atEndOfFile, filesOf, folderAtEnd, spoken } from "./shared-site.ts";

// Real servers and clients on a machine that does other things too.
vi.setConfig({ testTimeout: 120_000 });

const YAML = `drivers: { sim: { type: simulator } }
delivery: { batch: { max_age: 300ms, max_count: 50 } }
commands: { list: { hello: { level: 0, run: { program: /bin/echo, args: ["hello"] } } } }
`;

const found = (): string | null => (synapseAvailable() === null ? null : nioAvailable());

needs("matrix-nio, synapse", found(), () => {
  const atEnd = atEndOfFile();
  let server: RealServer;
  let site: Site;
  let agent: Running;
  let desk: PersonClient;
  let nio: PersonClient;
  let account: ClientAccount;
  let store: string;
  let deviceId = "";

  const startNioAgain = async (sasOfTheSpecification = false): Promise<void> => {
    nio = await startNio(server.url, account, store, { sasOfTheSpecification });
  };

  beforeAll(async () => {
    server = await startSynapse({ liftLimits: true });
    atEnd(() => server.stop());
    store = folderAtEnd(atEnd);
    site = await makeSite({ server, yaml: YAML, atEnd });
    if (site.client === null) throw new Error("expected a client in an encrypted site");
    desk = site.client;
    agent = site.start();
    const { password, userId } = site.operator;
    const identifier = { type: "m.id.user", user: userId };
    const body = { type: "m.login.password", identifier, password, device_id: "NIO" };
    const { json } = await call(server.url, "POST", "/_matrix/client/v3/login", { body });
    account = { userId, deviceId: "NIO", password, accessToken: text(json, "access_token") };
    await startNioAgain();
    atEnd(() => nio.close());
    await online(site);
    const [device] = list(JSON.parse(await site.petrel(["trust", "--json"])) as JsonObject, "devices");
    deviceId = text(device ?? null, "id");
  });

  const seen = async (): Promise<SeenEvent[]> =>
    (await nio.events(site.rooms.people)).filter(({ sender }) => sender === site.device.userId);

  const replies = async (): Promise<number> =>
    (await seen()).filter(({ content }) => text(content, "m.relates_to", "m.in_reply_to", "event_id") !== "")
      .length;

  const isReplyTo =
    (eventId: string) =>
    ({ content }: SeenEvent): boolean =>
      text(content, "m.relates_to", "m.in_reply_to", "event_id") === eventId;

  /** The reply as nio reads it. */
  const replyTo = async (eventId: string): Promise<string> => {
    let reply: SeenEvent | undefined;
    await eventually("the reply", async () => {
      reply = (await seen()).find((event) => isReplyTo(eventId)(event) && event.failure === null);
      return reply !== undefined;
    });
    return text(reply?.content ?? null, "body");
  };

  const say = (body: string): Promise<string> =>
    nio.send(site.rooms.people, "m.room.message", { msgtype: "m.text", body });

  it("a device that nobody signed reads nothing of the agent's, and its command is refused", async () => {
    const eventId = await say("!petrel hello");
    await eventually("the refusal, which the operator's other device reads", async () =>
      (await site.repliesTo(eventId)).some((body) => body.includes("refused")),
    );
    expect((await site.repliesTo(eventId))[0]).toContain("hello was refused");
    const unread = (await seen()).filter(({ type }) => type === "m.room.encrypted");
    expect(unread.length).toBeGreaterThan(0);
    expect((await seen()).filter(({ type }) => type === "m.room.message")).toEqual([]);
  });

  it("once the operator's other client signed it, it reads and commands", async () => {
    await desk.peer.call("crossSignDevice", "NIO");
    let answer = "";
    await eventually("an answer that it can read", async () => {
      const eventId = await say("!petrel hello");
      await eventually("any answer", async () => (await site.repliesTo(eventId)).length > 0);
      answer = (await site.repliesTo(eventId))[0] ?? "";
      return (await seen()).some((event) => isReplyTo(eventId)(event) && event.failure === null);
    });
    expect(answer).toContain("hello");
    expect(answer).not.toContain("refused");
  });

  it("reads every reading from then on, once and in order", async () => {
    const witness = createWitness(server.url, account.accessToken, nio);
    const telemetry = async (): Promise<JsonObject[]> =>
      (await witness.read(site.rooms.data))
        .filter(({ type }) => type === "dev.petrel.telemetry")
        .map(({ content }) => content);
    await eventually("some telemetry", async () => (await telemetry()).length > 3);
    const events = await telemetry();
    const ends = events.map(({ count, seq }) => Number(seq) + Number(count));
    expect(events.slice(1).map(({ seq }) => seq)).toEqual(ends.slice(0, -1));
    // What was under the key of before is not for it.
    const all = (await site.telemetry()).length;
    expect(events.length).toBeLessThan(all);
  });

  it("goes on through new keys of both, and through an edit and a reaction, which command nothing", async () => {
    await nio.peer.call("rotate", site.rooms.people);
    const eventId = await say("!petrel version");
    expect(await replyTo(eventId)).toMatch(/\d+\.\d+/);
    const content = { msgtype: "m.text", body: "!petrel version" };
    await nio.send(site.rooms.people, "m.room.message", {
      ...content,
      "m.new_content": content,
      "m.relates_to": { rel_type: "m.replace", event_id: eventId },
    });
    await nio.send(site.rooms.people, "m.reaction", {
      "m.relates_to": { rel_type: "m.annotation", event_id: eventId, key: "👍" },
    });
    const before = await replies();
    await replyTo(await say("!petrel version"));
    expect(await replies()).toBe(before + 1);
  });

  it("both restart with their stores and go on", async () => {
    await nio.close();
    await agent.stop();
    agent = site.start();
    await startNioAgain();
    expect(await replyTo(await say("!petrel hello"))).toContain("hello");
  });

  it("an image goes both ways", async () => {
    const picture = new Uint8Array(randomBytes(70_001));
    const files = filesOf(server.url, site.device);
    await site.petrel(["send", "--type", "m.room.message", JSON.stringify(await files.image(picture))]);
    const isImage = (event: SeenEvent): boolean => text(event.content, "msgtype") === "m.image";
    await eventually("the image", async () => (await seen()).some(isImage));
    const content = (await seen()).find(isImage)?.content ?? {};
    expect(Buffer.from(await nio.fetchImage(content)).equals(picture)).toBe(true);
    const eventId = await nio.sendImage(site.rooms.people, picture, "roof.png");
    const theirs = async (): Promise<SeenEvent | undefined> =>
      (await desk.events(site.rooms.people)).find(({ failure, id }) => id === eventId && failure === null);
    await eventually("nio's image", async () => (await theirs()) !== undefined);
    const found = await files.fetch((await theirs())?.content ?? {});
    expect(Buffer.from(found).equals(picture)).toBe(true);
  });

  it("short strings: nio's own commitment is not the specification's, and it cancels", async () => {
    const answered = site.petrel(["verify", "--yes-if-match", approver().program]);
    const id = await nio.peer.call<string>("beginSas", site.device.userId, deviceId);
    const [ours, theirs] = await Promise.allSettled([answered, nio.peer.call("compare", id)]);
    expect(String(theirs.status === "rejected" && theirs.reason)).toContain("m.mismatched_commitment");
    expect(String(ours.status === "rejected" && ours.reason)).toMatch(/not verified|is over/);
  });

  it("short strings: with nio mended where it departs from the specification, both sides verify each other's device", async () => {
    await nio.close();
    await startNioAgain(true);
    const { program, shown } = approver();
    const answered = site.petrel(["verify", "--yes-if-match", program]);
    const id = await nio.peer.call<string>("beginSas", site.device.userId, deviceId);
    const compared = async (): Promise<Comparison> => {
      const theirs = await nio.peer.call<Comparison>("compare", id);
      expect(await nio.peer.call("confirm", id)).toContain(deviceId);
      return theirs;
    };
    const [said, theirs] = await Promise.all([answered, compared()]);
    expect(said).toContain("verified:");
    expect(shown()).toBe(spoken(theirs));
    expect(await nio.peer.call("deviceTrust", site.device.userId, deviceId)).toEqual({ verified: true });
  });
});
