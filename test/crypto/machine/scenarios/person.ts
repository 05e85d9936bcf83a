// A person's client on any homeserver: a machine of ours over real HTTP, its steps the test's. Says and reads in rooms; what cannot be read is read as its cause.
import { expect } from "vitest";
import type { ShareProgress } from "#crypto/machine/rooms/share.ts";
import type { JsonObject } from "#crypto/shape.ts";
import type { TestUser } from "#test/homeserver/homeserver.ts";
import { type Client, inside, makeClient } from "../support/loopback.ts";
import { SETTINGS } from "../support/room.ts";
import { makeOurs, type Ours } from "../support/world.ts";

/** The loopback homeserver, and a real one. */
export interface AnyServer {
  readonly url: string;
  addUser(name: string): Promise<TestUser>;
}

export interface Person {
  readonly client: Client;
  readonly user: TestUser;
  /** One, and the requests that follow from it. */
  sync(): Promise<void>;
  /** Until the room's key is with everybody, or nothing more can be done. */
  share(roomId: string): Promise<ShareProgress>;
  /** Shares and sends; the session's ID. */
  say(roomId: string, body: string): Promise<string>;
  /** Syncs, and reads again all that came: the bodies, or in brackets why not. Until `count` are there. */
  read(roomId: string, count: number): Promise<string[]>;
  /** What came so far, without waiting. */
  known(roomId: string): string[];
  join(roomId: string): Promise<void>;
  leave(roomId: string): Promise<void>;
  /** The same store in a new process. */
  restarted(): Person;
}

const ROUNDS_MAX = 60;
const ROUND_MS = 50;
const V3 = "/_matrix/client/v3";

const pause = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, ROUND_MS));
const inRoom = (roomId: string): string => `${V3}/rooms/${encodeURIComponent(roomId)}`;

/** With its keys on the server. */
export const enter = async (server: AnyServer, user: TestUser): Promise<Person> => {
  const person = personOf(server, makeClient(server, user));
  await person.sync();
  return person;
};

const readersOf = async ({ http }: Client, roomId: string): Promise<string[]> => {
  const { body } = await http("GET", `${inRoom(roomId)}/members`);
  const chunk = inside(body)["chunk"];
  return (Array.isArray(chunk) ? (chunk as JsonObject[]) : [])
    .filter(({ content }) => ["join", "invite"].includes(String(inside(content)["membership"])))
    .map(({ state_key }) => String(state_key));
};

let transactions = 0;

const personOf = (server: AnyServer, client: Client): Person => {
  const { ours, user } = client;
  const events: { roomId: string; event: JsonObject }[] = [];
  const sync = async (): Promise<void> => {
    const { timeline } = await client.sync();
    events.push(...timeline.filter(({ event }) => event["type"] === "m.room.encrypted"));
    await client.pump();
  };
  const known = (roomId: string): string[] =>
    events
      .filter((entry) => entry.roomId === roomId)
      .map(({ event }) => {
        const result = ours.in((calls) => calls.decryptRoomEvent(roomId, event));
        if (result.kind !== "decrypted") return `[${result.cause}]`;
        return String(inside(result.content)["body"]);
      });
  const share = async (roomId: string): Promise<ShareProgress> => {
    await sync();
    const members = await readersOf(client, roomId);
    ours.in((calls) => calls.receiveRoomEncryption(roomId, SETTINGS));
    const once = (): ShareProgress =>
      ours.in((calls) => calls.shareRoomKey(roomId, { members, strategy: "all", sharedHistory: false }));
    let progress = once();
    for (let i = 0; i < 6 && progress.queries + progress.claims + progress.messages > 0; i += 1) {
      await client.pump();
      progress = once();
    }
    return progress;
  };
  const post = async (path: string, body: JsonObject = {}): Promise<void> => {
    expect(await client.http("POST", path, body)).toMatchObject({ ok: true });
  };
  return {
    client,
    user,
    known,
    sync,
    share,
    say: async (roomId, body) => {
      const { sessionId } = await share(roomId);
      const content = ours.in((calls) =>
        calls.encryptRoomEvent(roomId, "m.room.message", { msgtype: "m.text", body }),
      );
      transactions += 1;
      const path = `${inRoom(roomId)}/send/m.room.encrypted/petrel${Date.now()}.${transactions}`;
      expect(await client.http("PUT", path, content)).toMatchObject({ ok: true });
      return sessionId;
    },
    read: async (roomId, count) => {
      for (let round = 0; round < ROUNDS_MAX && known(roomId).length < count; round += 1) {
        await sync();
        if (known(roomId).length < count) await pause();
      }
      // Keys may come one sync after the events.
      for (let round = 0; round < 3; round += 1) await sync();
      return known(roomId);
    },
    join: (roomId) => post(`${V3}/join/${encodeURIComponent(roomId)}`),
    leave: (roomId) => post(`${inRoom(roomId)}/leave`),
    restarted: () => personOf(server, makeClient(server, user, restart(ours))),
  };
};

const restart = ({ config, store }: Ours): Ours => makeOurs(config, store);

/** An encrypted room with these people invited; `open`: anybody may join and see its history. */
export const makeRoomOf = async (
  { client }: Person,
  invited: readonly Person[],
  { open = false }: { readonly open?: boolean } = {},
): Promise<string> => {
  const state = [{ type: "m.room.encryption", state_key: "", content: SETTINGS }];
  const { body } = await client.http("POST", `${V3}/createRoom`, {
    preset: open ? "public_chat" : "private_chat",
    invite: invited.map(({ user }) => user.userId),
    initial_state: state,
  });
  const roomId = String(inside(body)["room_id"]);
  expect(roomId).toMatch(/^!/);
  return roomId;
};
