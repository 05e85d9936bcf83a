// What is measured of one machine, op by op, in ms. Each op gets a machine of its own; a second party of ours sends what is to be decrypted.
import type { JsonObject } from "#crypto/shape.ts";
import type { Ours } from "#test/crypto/machine/support/world.ts";
import { type Contestant, clock, EMPTY, type Machine } from "./contestant.ts";
import { makePopulation, makeRoomKeys, type Population } from "./data.ts";
import { ROOM, senderTo } from "./sender.ts";

const EVENTS = 200;
const BODY_BYTES = 900;
const PRE_KEY_MESSAGES = 100;

export interface Data {
  readonly few: Population;
  readonly many: Population;
  readonly claimed: Population;
  readonly thousand: Population;
  readonly roomKeys: string;
}

/** What an op needs, or all of it. */
export const makeData = (only: "query" | "share" | "import" | "idle" | "all" = "all"): Data => {
  const wants = (op: typeof only): boolean => only === op || only === "all";
  return {
    few: wants("all") ? makePopulation("few", 150, 3) : EMPTY,
    many: wants("query") ? makePopulation("many", 2_000, 2) : EMPTY,
    claimed: wants("all") ? makePopulation("claimed", 160, 2) : EMPTY,
    thousand: wants("share") ? makePopulation("thousand", 1_000, 2) : EMPTY,
    roomKeys: wants("import") ? JSON.stringify(makeRoomKeys(5_000, 20)) : "[]",
  };
};

export interface Op {
  readonly name: string;
  /** Per how many of it the time is given: ms of one. */
  readonly per: number;
  run(contestant: Contestant): Promise<number>;
}

const withMachine = async <T>(contestant: Contestant, work: (machine: Machine) => Promise<T>): Promise<T> => {
  const machine = await contestant.begin();
  try {
    return await work(machine);
  } finally {
    await machine.close();
  }
};

const query = (name: string, population: (data: Data) => Population, data: Data): Op => ({
  name,
  per: 1,
  run: (contestant) => withMachine(contestant, (machine) => machine.query(population(data))),
});

const claim = (data: Data): Op => ({
  name: "claim 160 one-time keys",
  per: 1,
  run: (contestant) =>
    withMachine(contestant, async (machine) => {
      await machine.query(data.claimed);
      return machine.claim(data.claimed);
    }),
});

const share = (name: string, population: Population): Op => ({
  name,
  per: 1,
  run: (contestant) =>
    withMachine(contestant, async (machine) => {
      await machine.query(population);
      await machine.claim(population);
      return machine.share(ROOM, population);
    }),
});

const contentOf = (at: number): JsonObject => ({
  msgtype: "m.text",
  body: String(at).padEnd(BODY_BYTES, "."),
});

const encrypt = (population: Population): Op => ({
  name: `encrypt an event of ${BODY_BYTES} bytes`,
  per: EVENTS,
  run: (contestant) =>
    withMachine(contestant, async (machine) => {
      await machine.query(population);
      await machine.claim(population);
      await machine.share(ROOM, population);
      for (let at = 0; at < EVENTS / 4; at += 1) await machine.encrypt(ROOM, "m.room.message", contentOf(at));
      return clock(async () => {
        for (let at = 0; at < EVENTS; at += 1) await machine.encrypt(ROOM, "m.room.message", contentOf(at));
      });
    }),
});

const eventOf = ({ config, ...ours }: Ours, at: number): JsonObject => ({
  type: "m.room.encrypted",
  event_id: `$${config.userId}${at}`,
  sender: config.userId,
  origin_server_ts: Date.now(),
  room_id: ROOM,
  content: ours.in((calls) => calls.encryptRoomEvent(ROOM, "m.room.message", contentOf(at))),
});

const decrypt = (): Op => ({
  name: `decrypt an event of ${BODY_BYTES} bytes`,
  per: EVENTS,
  run: (contestant) =>
    withMachine(contestant, async (machine) => {
      const { keyEvent, ours } = senderTo(machine.server, "sender");
      await machine.receive([keyEvent()]);
      const events = Array.from({ length: EVENTS * 1.25 }, (_, at) => eventOf(ours, at));
      for (const event of events.splice(0, EVENTS / 4)) await machine.decrypt(ROOM, event);
      return clock(async () => {
        for (const event of events) await machine.decrypt(ROOM, event);
      });
    }),
});

const receive = (): Op => ({
  name: `a sync with ${PRE_KEY_MESSAGES} room keys in pre-key messages`,
  per: 1,
  run: (contestant) =>
    withMachine(contestant, async (machine) => {
      const count = Math.min(PRE_KEY_MESSAGES, machine.server.oneTimeKeys.size);
      const events = Array.from({ length: count }, (_, at) =>
        senderTo(machine.server, `sender${at}`).keyEvent(),
      );
      return ((await machine.receive(events)) * PRE_KEY_MESSAGES) / count;
    }),
});

const importKeys = ({ roomKeys }: Data): Op => ({
  name: "import 5,000 room keys",
  per: 1,
  run: (contestant) => withMachine(contestant, (machine) => machine.importKeys(roomKeys)),
});

export const opsOf = (data: Data): readonly Op[] => [
  encrypt(data.few),
  decrypt(),
  query("first /keys/query, 150 devices", ({ few }) => few, data),
  query("first /keys/query, 2,000 devices", ({ many }) => many, data),
  claim(data),
  share("share a room key, 150 devices", data.few),
  share("share a room key, 1,000 devices", data.thousand),
  receive(),
  importKeys(data),
];
