// The agent's encryption before a real client's eyes, on a real Synapse: matrix-js-sdk with its Rust crypto, which is what Element is made of, in a process of its
// own; the agent is a process too. The tests are the steps of one story, in this order.
import { randomBytes } from "node:crypto";
import { beforeAll, describe, expect, it, vi } from "vitest";
import type { Running } from "#scripts/servers/child.ts";
import type { RealServer } from "#scripts/servers/types.ts";
import { startSynapse, synapseAvailable } from "#scripts/synapse.ts";
import {
  type Comparison,
  type PersonClient,
  type SeenEvent,
  startJsSdk,
} from "#test/peers/clients/client.ts";
import { call, type JsonObject, list, text } from "#test/peers/http.ts";
import { needs } from "#test/support/peers.ts";
import { eventually, makeSite, online, type Site, wireTypes } from "../site.ts";
import { reusedIndexes } from "../witness.ts";
import { approver, atEndOfFile, filesOf, spoken } from "./shared-site.ts";

/** A new key after so many events: the story sees several. */
const ROTATION = { rotation_period_msgs: 5 };
const YAML = `drivers: { sim: { type: simulator } }
delivery: { batch: { max_age: 300ms, max_count: 50 } }
commands: { list: { hello: { level: 0, run: { program: /bin/echo, args: ["hello"] } } } }
`;

/** An event with one reading, of somebody who is no agent of ours. */
const telemetryOf = (device: string, value: number): JsonObject => ({
  v: 1,
  device,
  stream: "s1",
  boot: "b1",
  boot_seq: 1,
  seq: 0,
  count: 1,
  lost: [],
  from: 1_700_000_000_000,
  until: 1_700_000_000_000,
  clock: "ntp",
  mono: 0,
  offset: 0,
  readings: [{ n: "battery/level", t: 1_700_000_000_000, v: String(value) }],
});

// Real servers and clients on a machine that does other things too.
vi.setConfig({ testTimeout: 120_000 });

const GREEN = { colour: "NONE", reason: null };

needs("synapse", synapseAvailable(), () => {
  const atEnd = atEndOfFile();
  let server: RealServer;
  let site: Site;
  let agent: Running;
  let alice: PersonClient;

  beforeAll(async () => {
    server = await startSynapse({ liftLimits: true });
    atEnd(() => server.stop());
    site = await makeSite({ server, yaml: YAML, encryption: ROTATION, atEnd });
    if (site.client === null) throw new Error("expected a client in an encrypted site");
    alice = site.client;
    agent = site.start();
    await online(site);
    deviceId = await askForDevice();
  });

  let deviceId = "";
  const askForDevice = async (): Promise<string> => {
    const [device] = list(JSON.parse(await site.petrel(["trust", "--json"])) as JsonObject, "devices");
    return text(device ?? null, "id");
  };

  /** What the operator sees of the device in the people room. */
  const seen = async (client = alice): Promise<SeenEvent[]> =>
    (await client.events(site.rooms.people)).filter(({ sender }) => sender === site.device.userId);

  const replies = async (): Promise<number> =>
    (await seen()).filter(({ content }) => text(content, "m.relates_to", "m.in_reply_to", "event_id") !== "")
      .length;

  const isReplyTo =
    (eventId: string) =>
    ({ content }: SeenEvent): boolean =>
      text(content, "m.relates_to", "m.in_reply_to", "event_id") === eventId;

  const replyTo = async (eventId: string): Promise<SeenEvent> => {
    let found: SeenEvent | undefined;
    await eventually("the reply", async () => {
      found = (await seen()).find(isReplyTo(eventId));
      return found !== undefined && found.failure === null;
    });
    if (found === undefined) throw new Error("no reply");
    return found;
  };

  /** What the agent said last, where something does not come. */
  const orItsWords = async <T>(work: Promise<T>): Promise<T> => {
    try {
      return await work;
    } catch (error) {
      throw new Error(`${String(error)}; the agent, ${agent.isAlive() ? "alive" : "gone"}:\n${agent.tail()}`);
    }
  };

  const readingsNow = async (): Promise<number> => (await site.readings()).length;

  /** Another device of somebody who has one. */
  const anotherDevice = async (user: PersonClient["account"], deviceId: string): Promise<PersonClient> => {
    const { password, userId } = user;
    const identifier = { type: "m.id.user", user: userId };
    const body = { type: "m.login.password", identifier, password, device_id: deviceId };
    const { json } = await call(server.url, "POST", "/_matrix/client/v3/login", { body });
    const account = { userId, deviceId, password, accessToken: text(json, "access_token") };
    const client = await startJsSdk(server.url, account, { identity: false });
    atEnd(() => client.close());
    return client;
  };

  describe("at first sight", () => {
    it("the agent's device is signed by its owner's identity, which nobody has verified yet", async () => {
      const { userId } = site.device;
      const trust = await alice.peer.call("deviceTrust", userId, deviceId);
      expect(trust).toEqual({ signedByOwner: true, crossSigned: false });
      expect(await alice.peer.call("userTrust", userId)).toMatchObject({ verified: false });
    });

    it("telemetry is a custom event that the client reads, all of it", async () => {
      await eventually("some readings", async () => (await readingsNow()) > 20);
      const numbers = (await site.readings()).map(({ seq }) => seq);
      expect(numbers).toEqual(numbers.map((_, index) => index));
    });

    it("a message sent from the shell is read", async () => {
      await site.petrel(["send", "a word from the shell"]);
      await eventually("the message", async () =>
        (await seen()).some(({ content }) => text(content, "body") === "a word from the shell"),
      );
    });
  });

  describe("verification", () => {
    it("by short strings in the room, asked for by the client, ends with both sides trusting each other", async () => {
      const { program, shown } = approver();
      const { userId } = site.device;
      const asked = alice.peer.call<Comparison>("verifyUser", userId, site.rooms.people);
      const answered = site.petrel(["verify", "--yes-if-match", program]);
      const theirs = await asked;
      await alice.peer.call("confirm");
      expect(await answered).toContain(`verified: ${site.operator.userId}`);
      expect(shown()).toBe(spoken(theirs));
      // Its signature goes out when the exchange is over.
      await eventually("the client's signature", async () => {
        const { verified } = await alice.peer.call<{ verified: boolean }>("userTrust", userId);
        return verified;
      });
      expect(await alice.peer.call("deviceTrust", userId, deviceId)).toEqual({
        signedByOwner: true,
        crossSigned: true,
      });
      expect(JSON.parse(await site.petrel(["trust", site.operator.userId, "--json"]))).toMatchObject({
        status: "verified",
      });
    });

    it("after it, the status message and a command's reply are read with no shield", async () => {
      const status = (await seen()).find(({ content }) => text(content, "body").includes("online"));
      expect(status).toMatchObject({ failure: null, shield: GREEN });
      const reply = await replyTo(await site.say(site.operator, "!petrel hello"));
      expect(reply).toMatchObject({ shield: GREEN });
      expect(text(reply.content, "body")).toContain("hello");
    });

    it("by short strings over to-device messages, asked for by the agent, works as well", async () => {
      const { program, shown } = approver();
      const answered = site.petrel(["verify", site.operator.userId, "--yes-if-match", program]);
      const theirs = await alice.peer.call<Comparison>("acceptVerification");
      await alice.peer.call("confirm");
      expect(await answered).toContain("verified:");
      expect(shown()).toBe(spoken(theirs));
    });
  });

  describe("commands", () => {
    it("an edit of a command and a reaction to a reply do nothing more", async () => {
      const { people } = site.rooms;
      const eventId = await site.say(site.operator, "!petrel hello");
      const reply = await replyTo(eventId);
      const content = { msgtype: "m.text", body: "!petrel hello" };
      await alice.send(people, "m.room.message", {
        ...content,
        body: "* !petrel hello",
        "m.new_content": content,
        "m.relates_to": { rel_type: "m.replace", event_id: eventId },
      });
      await alice.send(people, "m.reaction", {
        "m.relates_to": { rel_type: "m.annotation", event_id: reply.id, key: "👍" },
      });
      const before = await replies();
      await replyTo(await site.say(site.operator, "!petrel version"));
      expect(await replies()).toBe(before + 1);
    });

    it("goes on through a new key of the client's", async () => {
      await alice.peer.call("rotate", site.rooms.people);
      const reply = await replyTo(await site.say(site.operator, "!petrel hello"));
      expect(reply.shield).toEqual(GREEN);
    });

    it("a message of the agent's with a relation reaches the client whole", async () => {
      const [first] = await seen();
      const content = {
        "m.relates_to": { rel_type: "m.annotation", event_id: first?.id ?? "", key: "seen" },
      };
      await site.petrel(["send", "--type", "m.reaction", JSON.stringify(content)]);
      await eventually("the reaction", async () => (await seen()).some(({ type }) => type === "m.reaction"));
      const reaction = (await seen()).find(({ type }) => type === "m.reaction");
      expect(reaction?.content["m.relates_to"]).toEqual(content["m.relates_to"]);
    });
  });

  describe("a custom event of the client's", () => {
    it("is shown by `petrel tail`", async () => {
      await alice.send(site.rooms.data, "dev.petrel.telemetry", telemetryOf("phone", 77));
      const out = await site.petrelUntil(["tail", "--past", "50"], /phone.*battery\/level = 77/);
      expect(out).toMatch(/phone.*battery\/level = 77/);
    });
  });

  describe("an image", () => {
    const picture = new Uint8Array(randomBytes(70_001));

    it("that the agent's code uploads sealed and its outbox sends encrypted is seen by the client", async () => {
      const content = await filesOf(server.url, site.device).image(picture);
      await site.petrel(["send", "--type", "m.room.message", JSON.stringify(content)]);
      const isImage = (event: SeenEvent): boolean => text(event.content, "msgtype") === "m.image";
      await eventually("the image", async () => (await seen()).some(isImage));
      const image = (await seen()).find(isImage);
      expect(image).toMatchObject({ failure: null, shield: GREEN });
      expect(Buffer.from(await alice.fetchImage(image?.content ?? {})).equals(picture)).toBe(true);
    });

    it("of the client's is fetched and opened by the agent's code", async () => {
      const eventId = await alice.sendImage(site.rooms.people, picture, "roof.png");
      await eventually("the image", async () =>
        (await alice.events(site.rooms.people)).some(({ id }) => id === eventId),
      );
      const image = (await alice.events(site.rooms.people)).find(({ id }) => id === eventId);
      const found = await filesOf(server.url, site.device).fetch(image?.content ?? {});
      expect(Buffer.from(found).equals(picture)).toBe(true);
    });
  });

  describe("a new device of the operator's", () => {
    it("reads nothing until the operator signed it, and what comes from then on", async () => {
      const tablet = await anotherDevice(alice.account, "TABLET");
      const first = await site.say(site.operator, "!petrel version");
      const reply = await replyTo(first);
      await eventually("the reply on the new device", async () =>
        (await seen(tablet)).some(({ id }) => id === reply.id),
      );
      const closed = (await seen(tablet)).find(({ id }) => id === reply.id);
      expect(closed?.failure).not.toBeNull();
      await alice.peer.call("crossSignDevice", "TABLET");
      await eventually("a reply that the new device can read", async () => {
        const next = await replyTo(await site.say(site.operator, "!petrel version"));
        return (await seen(tablet)).some(({ failure, id }) => id === next.id && failure === null);
      });
    });
  });

  describe("a restart", () => {
    it("changes nothing for the client: the same device, the keys go on, no index is used twice", async () => {
      await agent.stop();
      agent = site.start();
      const reply = await orItsWords(site.say(site.operator, "!petrel hello").then(replyTo));
      expect(reply.shield).toEqual(GREEN);
      expect(await askForDevice()).toBe(deviceId);
      // The one status message, edited in place.
      const status = (await seen()).find(({ content }) => text(content, "body").includes("site-1: online"));
      expect(status).toMatchObject({ edited: true, failure: null, shield: GREEN });
      const now = await readingsNow();
      await eventually("more readings", async () => (await readingsNow()) > now + 5);
      for (const roomId of [site.rooms.data, site.rooms.people])
        expect(reusedIndexes(await site.witness.read(roomId), site.device.userId)).toEqual([]);
    });
  });

  describe("key backup", () => {
    it("of the agent's is restored by the client with the recovery key alone, history and identity", async () => {
      const made = JSON.parse(await site.petrel(["backup", "create", "--json"])) as JsonObject;
      const desk = await anotherDevice(site.device, "DESK");
      const restored = await desk.peer.call<JsonObject>("restoreBackup", text(made, "recoveryKey"));
      expect(restored).toMatchObject({ trusted: true });
      expect(restored["imported"]).toBeGreaterThan(1);
      expect(restored["imported"]).toBe(restored["total"]);
      const raw = await site.witness.closed(site.rooms.data);
      const own = raw.filter(({ sender }) => sender === site.device.userId);
      const opened = await desk.decrypt(own.slice(0, 10));
      expect(opened.filter((inside) => inside === null)).toEqual([]);
      expect(opened.map((inside) => inside?.type)).toContain("dev.petrel.telemetry");
      const trust = await alice.peer.call("deviceTrust", site.device.userId, "DESK");
      expect(trust).toEqual({ signedByOwner: true, crossSigned: true });
    });
  });

  it("a backup that the client made is restored by an agent on the same account, which then reads what was said before", async () => {
    const pilot = await startJsSdk(server.url, await server.addUser("pilot", { liftLimits: true }));
    atEnd(() => pilot.close());
    const recoveryKey = await pilot.peer.call<string>("createBackup");
    const plainYaml = "delivery: { batch: { max_age: 300ms } }\n";
    const theirs = await makeSite({ server, yaml: plainYaml, device: pilot.account, atEnd });
    const { client, rooms } = theirs;
    if (client === null) throw new Error("expected a client in an encrypted site");
    await eventually("the pilot in the room", async () => {
      const members = await client.peer.call<string[]>("members", rooms.data);
      return members.includes(pilot.account.userId);
    });
    const eventId = await client.send(rooms.data, "dev.petrel.telemetry", telemetryOf("phone", 78));
    await eventually("the pilot reads it", async () =>
      (await pilot.events(rooms.data)).some(({ failure, id }) => id === eventId && failure === null),
    );
    await eventually("the key in the backup", async () => (await pilot.peer.call("backedUp")) === 0);
    theirs.start();
    // It sends nothing yet: nobody vouches for it. But it has a session.
    const session = (): Promise<boolean> =>
      theirs.petrel(["backup", "status"]).then(
        () => true,
        () => false,
      );
    await eventually("a session of the agent's", session);
    const restored = JSON.parse(
      await theirs.petrel(["backup", "restore", "--json"], `${recoveryKey}\n`),
    ) as JsonObject;
    expect(restored).toMatchObject({ failed: 0, crossSigning: { state: "ours", deviceSigned: true } });
    expect(restored["new"]).toBeGreaterThan(0);
    await theirs.petrelUntil(["tail", "--past", "20"], /phone.*battery\/level = 78/);
    await eventually("the status message without a shield", async () => {
      const events = await client.events(rooms.people);
      const said = events.find(({ content }) => text(content, "body").includes("online"));
      return said?.failure === null && said.shield?.colour === "NONE";
    });
  });

  it("all that the agent said went over the wire as m.room.encrypted", async () => {
    expect(await wireTypes(site)).toEqual(["m.room.encrypted"]);
  });
});
