// Bytes on the wire and events for one hour of eight channels at 10 Hz (trace.ts), encrypted: ours, one event per reading, and JSON batches that are deflated.
//
// Counted is what the three differ in: the body of each PUT (m.room.encrypted, its ciphertext by our Megolm on real plaintexts) and 600 bytes for its heads
// and the answer (request line and headers with a token 350, answer 250; Synapse's own are a little more). One event per reading is sealed for every
// hundredth reading and multiplied: their sizes differ by the digits of a number.
import { deflateSync } from "node:zlib";
import type { JsonObject } from "#agent/matrix/types.ts";
import { type BatchHead, encodePack, encodePlain, spanOf } from "#agent/telemetry/event.ts";
import { fitBuilder, fitEvent, packBytesMax } from "#agent/telemetry/fit.ts";
import { COLUMNS_ENCODING } from "#agent/telemetry/index.ts";
import type { PackBuilder } from "#agent/telemetry/pack/builder.ts";
import type { StampedReading } from "#agent/telemetry/reading.ts";
import { MegolmOutboundSession } from "#crypto/megolm/index.ts";
import { nodeProvider } from "#crypto/provider/node.ts";
import { atMost, type BenchRow } from "../row.ts";
import { trace } from "./trace.ts";

const SEED = 20_261_124;
const SECONDS = 3600;
const HEADS_BYTES = 600;
const SAMPLE = 100;
const ROOM = "!aaaaaaaaaaaaaaaaaa:example.org";

const HEAD: BatchHead = {
  device: "drone-7",
  stream: "MDEyMzQ1Njc4OWFi",
  epoch: { boot: "5f0c5c1e-7f0b-4c57-9f0e-2f1b6a1f1f11", bootSeq: 12, clock: "ntp" },
  seq: 0,
  lost: [],
};

const session = MegolmOutboundSession.create(nodeProvider);

/** Bytes of one event on the wire, with its transaction ID in the content as the outbox writes it. */
const wireBytes = (content: JsonObject): number => {
  const whole = { ...content, "dev.petrel.txn": "petrel-0123456789abcdef" };
  const ciphertext = session.encrypt(
    JSON.stringify({ type: "dev.petrel.telemetry", content: whole, room_id: ROOM }),
  );
  const body = {
    algorithm: "m.megolm.v1.aes-sha2",
    ciphertext,
    device_id: "ABCDEFGHIJ",
    sender_key: "c2VuZGVyIGtleSBvZiBmb3J0eS10aHJlZSBjaGFyYWN0ZXI",
    session_id: session.sessionId,
  };
  return JSON.stringify(body).length + HEADS_BYTES;
};

interface Cost {
  readonly bytes: number;
  readonly events: number;
}

/** Packs readings until none is left; `next` gives an event from a place on and how many it holds. */
const drain = (
  readings: readonly StampedReading[],
  next: (from: number) => { readonly content: JsonObject; readonly readings: number } | null,
): Cost => {
  let [bytes, events, from] = [0, 0, 0];
  while (from < readings.length) {
    const event = next(from);
    if (event === null) throw new Error("bench: readings are left, and none fits into an event");
    bytes += wireBytes(event.content);
    events += 1;
    from += event.readings;
  }
  return { bytes, events };
};

const after = (readings: readonly StampedReading[], from: number): Iterable<StampedReading> => ({
  [Symbol.iterator]: () => readings.values().drop(from),
});

const ours = (readings: readonly StampedReading[]): Cost => {
  const options = { encoding: COLUMNS_ENCODING, encrypted: true, plainMax: 0 };
  return drain(readings, (from) => fitEvent({ ...HEAD, seq: from }, after(readings, from), options));
};

const single = (readings: readonly StampedReading[]): Cost => {
  const sampled = readings.filter((_, index) => index % SAMPLE === 0);
  const bytes = sampled.reduce(
    (sum, reading, index) =>
      sum + wireBytes(encodePlain({ ...HEAD, seq: index * SAMPLE, readings: [reading] })),
    0,
  );
  return { bytes: (bytes * readings.length) / sampled.length, events: readings.length };
};

const JSON_ENCODING = "json+zlib";

/** What somebody would write: a JSON array with SenML's short names, deflated at the best level. */
const jsonBuilder = (): PackBuilder => {
  const lines: string[] = [];
  return {
    encoding: JSON_ENCODING,
    get count() {
      return lines.length;
    },
    add: ({ name, timeMs, unit, value }) => {
      lines.push(JSON.stringify({ n: name, u: unit, t: timeMs, v: value }));
    },
    encode: (count) => deflateSync(`[${lines.slice(0, count).join(",")}]`, { level: 9 }),
  };
};

const deflatedJson = (readings: readonly StampedReading[]): Cost =>
  drain(readings, (from) => {
    const limits = { encoding: JSON_ENCODING, bytesMax: packBytesMax(HEAD, JSON_ENCODING, true) };
    const fitted = fitBuilder(jsonBuilder(), after(readings, from), limits);
    if (fitted === null) return null;
    return {
      content: encodePack({ ...HEAD, seq: from }, fitted.span, fitted.pack),
      readings: fitted.span.readings,
    };
  });

const rows = (
  what: string,
  goal: number,
  peer: string,
  mine: Cost,
  theirs: Cost,
  count: number,
): BenchRow[] => [
  atMost({
    name: `bytes on the wire per reading, 1 h of 8 x 10 Hz, encrypted`,
    unit: "bytes",
    value: mine.bytes / count,
    peer,
    peerValue: theirs.bytes / count,
    goal,
    reason: what,
  }),
  atMost({
    name: `events for 1 h of 8 x 10 Hz, encrypted`,
    unit: "events",
    value: mine.events,
    peer,
    peerValue: theirs.events,
    goal,
    reason: what,
  }),
];

/** The rows of issue 6 about bytes on the wire. */
export const wireRows = (seed: number = SEED): BenchRow[] => {
  const readings = [...trace(seed, SECONDS)];
  const { length: count } = readings;
  const mine = ours(readings);
  const what = `seed ${seed}, ${count} readings, ${spanOf(readings).untilMs - spanOf(readings).fromMs} ms`;
  return [
    ...rows(what, 1 / 250, "one event per reading", mine, single(readings), count),
    ...rows(what, 1 / 3, "JSON batches, deflated, in the same events", mine, deflatedJson(readings), count),
  ];
};

if (import.meta.main) for (const row of wireRows()) console.log(JSON.stringify(row));
