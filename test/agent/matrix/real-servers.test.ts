// The client against a real Synapse and a real Dendrite: what the loopback homeserver says about them, said by themselves.
import { randomBytes } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { refreshTokens, type Tokens, whoIs } from "#agent/matrix/login.ts";
import { readSession } from "#agent/matrix/session-table.ts";
import { downloadAttachment, uploadAttachment } from "#agent/media/attachment.ts";
import { dendriteAvailable, startDendrite } from "#scripts/dendrite.ts";
import type { RealServer } from "#scripts/servers/types.ts";
import { startSynapse, synapseAvailable } from "#scripts/synapse.ts";
import { accessOf, same, someBytes } from "#test/agent/media/support.ts";
import { needs } from "#test/support/peers.ts";
import {
  countsOf,
  failureOf,
  onceEach,
  openRig,
  type Rig,
  type Running,
  runSync,
  testStore,
} from "./support.ts";

let server: RealServer;
let serial = 0;

const newcomer = async (name: string): Promise<Rig> => {
  serial += 1;
  return openRig(server.url, await server.addUser(`${name}${serial}`, { liftLimits: true }));
};

const sendMany = async (from: Rig, roomId: string, count: number): Promise<readonly string[]> => {
  const eventIds: string[] = [];
  for (let n = 0; n < count; n += 1) {
    serial += 1;
    eventIds.push(
      await from.client.send(roomId, "m.room.message", `many${serial}`, { msgtype: "m.text", body: `${n}` }),
    );
  }
  return eventIds;
};

const arrived = (running: Running, eventIds: readonly string[]) => (): boolean =>
  countsOf(running.received(), eventIds).every((count) => count > 0);

const restarted = async (rig: Rig, damage?: string): Promise<Rig> => {
  rig.stop.abort();
  if (damage !== undefined) await rig.store.transaction((database) => database.exec(damage));
  const user = { userId: rig.client.userId, deviceId: rig.client.deviceId, accessToken: "", password: "" };
  return openRig(server.url, user, { store: rig.store });
};

/** So few events in an answer that thirty make a gap. */
const shortTimeline = { filter: { timelineLimit: 10 } };

const story = (): void => {
  it("sees who it is, and who stands above whom in a room of the server's default version", async () => {
    const rig = await newcomer("device");
    await rig.session.verify();
    const roomId = await rig.client.createRoom({ powerLevelEvents: { "dev.petrel.status": 0 } });
    const version = (await rig.client.getState(roomId, "m.room.create", ""))?.["room_version"];
    const power = await rig.client.powerLevels(roomId);
    expect(power.userLevel(rig.client.userId)).toBe(version === "12" ? Number.POSITIVE_INFINITY : 100);
    expect(power.eventLevel("dev.petrel.status", true)).toBe(0);
    expect(power.eventLevel("m.room.power_levels", true)).toBe(100);
  });

  it("knows the creator of a version 12 room", async () => {
    const rig = await newcomer("device");
    const roomId = await rig.client.createRoom({ roomVersion: "12" });
    expect((await rig.client.powerLevels(roomId)).userLevel(rig.client.userId)).toBe(
      Number.POSITIVE_INFINITY,
    );
  });

  it("hands on a gap of 30 events in order and once, also when its position is not known", async () => {
    const rig = await newcomer("device");
    const other = await newcomer("operator");
    const roomId = await other.client.createRoom({ invite: [rig.client.userId] });
    await rig.client.join(roomId);
    const first = await sendMany(other, roomId, 1);
    const one = runSync(rig, shortTimeline);
    await one.until(arrived(one, first));
    await one.end();
    const missed = await sendMany(other, roomId, 30);
    const two = runSync(await restarted(rig), shortTimeline);
    await two.until(arrived(two, missed));
    const inOrder = two.received().filter(({ eventId }) => missed.includes(eventId));
    expect(inOrder.map(({ eventId }) => eventId)).toEqual(missed);
    await two.end();
    const more = await sendMany(other, roomId, 20);
    const three = runSync(
      await restarted(rig, "UPDATE matrix_sync SET next_batch = 'garbage', filter_id = 'x'"),
    );
    await three.until(arrived(three, more));
    expect(countsOf(three.received(), [...first, ...missed, ...more])).toEqual(
      onceEach([...first, ...missed, ...more]),
    );
    await three.end();
  });

  it("uploads and downloads", async () => {
    const rig = await newcomer("device");
    const content = randomBytes(30_000);
    const uri = await rig.client.upload(content, "application/octet-stream", "log ü.bin");
    expect(Buffer.from(await rig.client.download(uri, 60_000)).equals(content)).toBe(true);
    expect((await failureOf(rig.client.download(uri, 100))).message).toContain("larger than 100 bytes");
  });

  it("uploads an encrypted attachment, which another account downloads", async () => {
    const rig = await newcomer("device");
    const reader = await newcomer("operator");
    const content = someBytes(300_001);
    const file = await uploadAttachment(accessOf(rig.client), content);
    expect(same(await downloadAttachment(accessOf(reader.client), file, 300_001), content)).toBe(true);
    expect(await rig.client.uploadBytesMax()).toBeGreaterThan(1_000_000);
  });

  it("sends the largest event that it lets through", async () => {
    const rig = await newcomer("device");
    const roomId = await rig.client.createRoom({});
    const send = (bytes: number): Promise<string> =>
      rig.client.send(roomId, "dev.petrel.telemetry", `large${bytes}`, { s: "x".repeat(bytes) });
    expect(await send(63_200)).toMatch(/^\$/);
    expect((await failureOf(send(64_000))).kind).toBe("local");
  });

  it("is told clearly that a password is wrong", async () => {
    const user = await server.addUser("wrong");
    const credentials = { kind: "password", user: "wrong", password: "not it" } as const;
    const error = await failureOf(openRig(server.url, user, { credentials, store: await testStore() }));
    expect(error.message).toContain("wrong user name or password");
  });
};

needs("synapse", synapseAvailable(), () => {
  beforeAll(async () => {
    server = await startSynapse({ liftLimits: true, config: { refreshable_access_token_lifetime: "5m" } });
  });
  afterAll(() => server.stop());

  story();

  describe("a refresh token", () => {
    it("is good again when its answer was lost, and gone once the new token was used", async () => {
      const rig = await newcomer("device");
      const { refreshToken } = readSession(rig.store)?.granted ?? {};
      const refresh = (): Promise<Tokens> => refreshTokens(rig.http, server.url, refreshToken ?? "");
      await refresh();
      const second = await refresh();
      expect((await whoIs(rig.http, server.url, second.accessToken)).userId).toBe(rig.client.userId);
      expect(await failureOf(refresh())).toMatchObject({ kind: "refused", status: 403 });
    });

    it("gives a new pair before the token runs out", async () => {
      const rig = await newcomer("device");
      const before = readSession(rig.store)?.granted;
      rig.runtime.advance(250_000);
      await rig.client.whoami();
      const after = readSession(rig.store)?.granted;
      expect(after?.accessToken).not.toBe(before?.accessToken);
      expect(after?.refreshToken).not.toBe(before?.refreshToken);
    });
  });
});

needs("dendrite", dendriteAvailable(), () => {
  beforeAll(async () => {
    server = await startDendrite({ liftLimits: true });
  });
  afterAll(() => server.stop());

  story();
});
