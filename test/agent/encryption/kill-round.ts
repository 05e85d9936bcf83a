// One round: the encrypted agent dies at its Nth store operation, and starts anew from the files as they lay there: everything arrives once and can be read, no index
// of a ratchet encrypts two plaintexts, no one-time key's ID is given to two keys.
import { expect } from "vitest";
import { parseTelemetry } from "#agent/telemetry/index.ts";
import { type EncryptedClient, startEncryptedClient } from "#scripts/demo/encrypted-client.ts";
import { startHomeserver } from "#test/homeserver/homeserver.ts";
import { byIndex } from "#test/support/megolm-index.ts";
import type { StoreFault } from "../faults/faulty-store.ts";
import {
  begin,
  closeScene,
  feed,
  firstFolder,
  type Life,
  openScene,
  putAway,
  READINGS,
  remains,
  type Scene,
} from "../faults/scene.ts";

/** Several times what a busy machine of two cores needs. */
const PATIENCE_MS = 60_000;
const LIVES_MAX = 4;

const seen = ({ device }: Scene, alice: EncryptedClient): string[] =>
  alice.events
    .filter(({ event }) => event.sender === device.userId && event.type === "dev.petrel.telemetry")
    .map(({ event }) => parseTelemetry(event.content))
    .flatMap(({ readings, stream }) => readings.map(({ seq, value }) => `${stream} ${seq} ${String(value)}`));

/** What both sides know, for whoever has to find out why. */
const stuck = (scene: Scene, life: Life, alice: EncryptedClient): string => {
  const said = life.lines.filter(({ message }) => !message.includes("clock")).slice(-12);
  const rooms = Object.values(life.agent.upstream.rooms() ?? {}).map(({ roomId }) => roomId);
  const types = rooms.map((roomId) =>
    scene.server.events(roomId).map(({ sender, type }) => `${sender} ${type}`),
  );
  return [
    `${seen(scene, alice).length} read, ${scene.unacknowledged.length} not taken by the agent`,
    `the client: ${alice.failures.map(String).join(", ")}`,
    `rooms: ${JSON.stringify(types)}`,
    ...said.map(({ fields, level, message }) => `${level} ${message} ${JSON.stringify(fields)}`),
  ].join("\n");
};

/** Lives until all readings were read; false when the fault ended it before. */
const live = async (
  scene: Scene,
  life: Life,
  alice: EncryptedClient,
  again: boolean,
  context: string,
): Promise<boolean> => {
  const end = performance.now() + PATIENCE_MS;
  while (scene.unacknowledged.length > 0 || new Set(seen(scene, alice)).size < READINGS) {
    await feed(scene, life, again);
    if (life.fatal.length > 0) return false;
    if (performance.now() > end) expect.fail(`${context}: ${stuck(scene, life, alice)}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  return true;
};

/** By session and index: the ciphertexts that the server was ever given. */
const ciphertexts = ({ device, server }: Scene, roomIds: readonly string[]): Map<string, Set<string>> =>
  byIndex(
    roomIds
      .flatMap((roomId) => server.events(roomId))
      .filter(({ sender, type }) => sender === device.userId && type === "m.room.encrypted")
      .map(({ content }) => content),
  );

/** By device and ID, one-time and fallback keys that the agent ever uploaded. */
const keysEver = ({ device, server }: Scene): [string, ReadonlySet<unknown>][] =>
  [...(server.world.users.get(device.userId)?.devices.values() ?? [])].flatMap((each) =>
    [...each.keysEver].map(([id, keys]): [string, ReadonlySet<unknown>] => [`${each.deviceId} ${id}`, keys]),
  );

/** Whether the fault happened at all. Everything of the round is put away at its end: a loop of many must not carry the clients of all. */
export const dieAndLive = async (fault: StoreFault, nth: number): Promise<boolean> => {
  const server = await startHomeserver({ profile: "synapse" });
  const scene = await openScene(server, true);
  const { accessToken, deviceId, password, userId } = scene.operator;
  const alice = await startEncryptedClient({ url: server.url, accessToken, deviceId, password, userId });
  try {
    return await round(scene, alice, fault, nth);
  } finally {
    await alice.stop();
    closeScene(scene);
    await server.stop();
  }
};

const round = async (
  scene: Scene,
  alice: EncryptedClient,
  fault: StoreFault,
  nth: number,
): Promise<boolean> => {
  let folder = firstFolder(scene);
  const rooms = new Set<string>();
  let hit = false;
  for (let number = 0; number < LIVES_MAX; number += 1) {
    const life = await begin(scene, folder, number === 0 ? fault : null, nth);
    if (life === null) {
      hit = true;
      continue;
    }
    const done = await live(scene, life, alice, number > 0, `${fault} ${nth}`);
    for (const room of Object.values(life.agent.upstream.rooms() ?? {})) rooms.add(room.roomId);
    const alarms = life.lines.filter(
      ({ fields, level, message }) =>
        level === "error" &&
        message.startsWith("encryption:") &&
        !JSON.stringify(fields).includes("injected"),
    );
    expect(alarms, `${fault} ${nth}`).toEqual([]);
    hit ||= life.faulty.hit();
    folder = remains(scene, folder);
    await putAway(life);
    if (done) break;
  }
  const read = seen(scene, alice);
  // Readers drop what comes twice by (stream, seq): nothing is missing after that.
  expect(new Set(read.map((line) => line.split(" ")[2])).size, `${fault} ${nth}`).toBe(READINGS);
  for (const [name, texts] of ciphertexts(scene, [...rooms])) expect([name, texts.size]).toEqual([name, 1]);
  expect(ciphertexts(scene, [...rooms]).size).toBeGreaterThan(0);
  const ever = keysEver(scene);
  for (const [id, keys] of ever)
    expect([`${fault} ${nth}`, id, keys.size]).toEqual([`${fault} ${nth}`, id, 1]);
  expect(ever.length).toBeGreaterThan(50);
  return hit;
};
