// The `file` form: a long backlog goes as an attachment, each reading once, whatever becomes of the upload.
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { FilePacks } from "#agent/delivery/file-pack.ts";
import { Packer } from "#agent/delivery/packer.ts";
import { Sender } from "#agent/delivery/sender.ts";
import { deliveryMigrations } from "#agent/delivery/tables.ts";
import { createUploads } from "#agent/delivery/upload.ts";
import { type Journal, openJournal } from "#agent/journal/journal.ts";
import { journalMigrations } from "#agent/journal/tables.ts";
import type { MatrixClient } from "#agent/matrix/types.ts";
import { downloadAttachment } from "#agent/media/attachment.ts";
import type { Store } from "#agent/store/store.ts";
import { type FetchFile, type ReceivedTelemetry, readTelemetry } from "#agent/telemetry/index.ts";
import { nodeProvider } from "#crypto/provider/node.ts";
import type { FaultKind } from "#test/homeserver/faults.ts";
import { type Homeserver, startHomeserver } from "#test/homeserver/homeserver.ts";
import { openTestStore, temporaryFolder } from "../store/support.ts";
import type { LogLine } from "../whole-agent.ts";
import { clientFor, fastRuntime } from "./support.ts";

const FACTOR = 200;
const BACKLOG = 60_000;
const UPLOAD = { method: "POST", path: /\/media\/v3\/upload/ } as const;

interface Bench {
  readonly server: Homeserver;
  readonly client: MatrixClient;
  readonly store: Store;
  readonly journal: Journal;
  readonly files: FilePacks;
  readonly lines: LogLine[];
  start(): void;
  stop(): Promise<void>;
  /** What the room holds once nothing waits. */
  arrived(): Promise<readonly ReceivedTelemetry[]>;
}

const append = async (journal: Journal, count: number): Promise<void> => {
  for (let at = 0; at < count; at += 1000)
    await journal.append({
      driver: "d",
      clock: "unset",
      line: { baseMs: 1000, offsetMs: 0 },
      readings: Array.from({ length: Math.min(1000, count - at) }, (_, more) => ({
        name: `axis/${(at + more) % 8}`,
        value: at + more,
        timeMs: 1000 + at + more,
        monoMs: at + more,
      })),
    });
};

const bench = async (sealed: boolean, bytesMax = 1e9): Promise<Bench> => {
  const server = await startHomeserver({ profile: "synapse" });
  onTestFinished(() => server.stop());
  const user = await server.addUser("drone");
  const migrations = [journalMigrations, deliveryMigrations];
  const store = await openTestStore(join(temporaryFolder(), "f.db"), { migrations });
  const lines: LogLine[] = [];
  const runtime = fastRuntime(FACTOR, lines);
  const client = clientFor(server.url, user, runtime);
  const roomId = await client.createRoom({});
  const policy = { bytesMax, whenFull: "drop-oldest" } as const;
  const journal = await openJournal(store, { id: "b" }, "first", policy);
  const aborter = new AbortController();
  const where = { device: "d", roomId, namespace: "dev.petrel" };
  const uploads = createUploads({ client, runtime, signal: aborter.signal, sealed });
  const files = new FilePacks({ ...where, store, journal, runtime, signal: aborter.signal, uploads });
  let packer: Packer | null = null;
  const sender = new Sender(store, client, runtime, {
    link: () => undefined,
    left: () => packer?.run(),
    fatal: () => undefined,
  });
  const stop = async (): Promise<void> => {
    aborter.abort();
    await packer?.stop();
    await sender.stop();
  };
  onTestFinished(stop);
  const access = { client, provider: nodeProvider, runtime, signal: new AbortController().signal };
  const fetchFile: FetchFile = (file, most) =>
    file.encrypted === null
      ? client.download(file.url, most)
      : downloadAttachment(access, file.encrypted, most);
  return {
    server,
    client,
    store,
    journal,
    files,
    lines,
    stop,
    start: () => {
      const options = { ...where, maxAgeMs: 1000, maxCount: 100, files };
      packer = new Packer(store, journal, runtime, options, () => sender.wake());
    },
    arrived: async () => {
      await expect
        .poll(
          () => {
            const rows = store.read((database) => database.prepare("SELECT 1 FROM outbox LIMIT 1").get());
            return rows === null && journal.depth().readings === 0;
          },
          { timeout: 60_000 },
        )
        .toBe(true);
      const events = server.events(roomId).filter(({ type }) => type === "dev.petrel.telemetry");
      return Promise.all(events.map(({ content }) => readTelemetry(content, fetchFile)));
    },
  };
};

/** With a backlog of one stream, and nothing live. */
const withBacklog = async (sealed = true): Promise<Bench> => {
  const made = await bench(sealed);
  await append(made.journal, BACKLOG);
  await made.journal.beginStream("second");
  return made;
};

const values = (told: readonly ReceivedTelemetry[]): unknown[] =>
  told.flatMap(({ readings }) => readings.map(({ value }) => value));

const ALL = Array.from({ length: BACKLOG }, (_, at) => at);

it.each([true, false])("sends a long backlog as one file, sealed: %s", async (sealed) => {
  const made = await withBacklog(sealed);
  made.start();
  const told = await made.arrived();
  expect(values(told)).toEqual(ALL);
  expect(told.map(({ form }) => form)).toEqual(["file"]);
  expect(told[0]).toMatchObject({ historical: true, stream: "first", seq: 0, count: BACKLOG, monoMs: 0 });
  expect(made.journal.depth()).toMatchObject({ readings: 0, live: 0, bytes: 0, lost: 0 });
});

it.each<readonly [string, FaultKind]>([
  ["cut before anything happened", { kind: "refused" }],
  ["made, its answer lost", { kind: "answer-lost" }],
  ["met by an error of the server", { kind: "status", status: 502 }],
])("tries an upload again that was %s, and sends one event", async (_what, fault) => {
  const made = await withBacklog();
  const handle = made.server.fault({ ...fault, match: UPLOAD, times: 2 });
  made.start();
  const told = await made.arrived();
  expect(handle.hits()).toBe(2);
  expect(values(told)).toEqual(ALL);
  expect(told.map(({ form }) => form)).toEqual(["file"]);
});

it.each<readonly [string, FaultKind]>([
  ["switched off", { kind: "status", status: 404, body: { errcode: "M_UNRECOGNIZED", error: "no" } }],
  ["forbidden", { kind: "status", status: 403, body: { errcode: "M_FORBIDDEN", error: "no" } }],
  ["over a quota", { kind: "status", status: 403, body: { errcode: "M_USER_LIMIT_EXCEEDED", error: "no" } }],
  ["cut each time", { kind: "refused" }],
  [
    "too large, however small",
    { kind: "status", status: 413, body: { errcode: "M_TOO_LARGE", error: "no" } },
  ],
])("sends packs within events where uploads are %s, and says so", async (_what, fault) => {
  const made = await withBacklog();
  made.server.fault({ ...fault, match: UPLOAD, times: 1000 });
  made.start();
  const told = await made.arrived();
  expect(values(told)).toEqual(ALL);
  expect(new Set(told.map(({ form }) => form))).toEqual(new Set(["pack"]));
  expect(made.lines.some(({ message }) => message.includes("takes no file of readings"))).toBe(true);
});

it("finds the event of a file whose answer was lost, and sends no second one", async () => {
  const made = await withBacklog();
  const handle = made.server.fault({
    kind: "answer-lost",
    match: { method: "PUT", path: /\/send\/dev\.petrel\.telemetry/ },
  });
  made.start();
  const told = await made.arrived();
  expect(handle.hits()).toBe(1);
  expect(told.map(({ form }) => form)).toEqual(["file"]);
  expect(values(told)).toEqual(ALL);
});

it("leaves the readings in the journal when it is stopped in the middle of an upload", async () => {
  const made = await withBacklog();
  const handle = made.server.fault({ kind: "stall", match: UPLOAD });
  const making = made.files.make();
  await expect.poll(() => handle.hits(), { timeout: 30_000 }).toBe(1);
  await made.stop();
  made.server.clearFaults();
  expect(await Promise.race([making, made.server.stop().then(() => making)])).toBe(false);
  expect(made.journal.depth().readings).toBe(BACKLOG);
});

it("throws a file away whose readings got other times meanwhile", async () => {
  const made = await withBacklog();
  const handle = made.server.fault({ kind: "slow", delayMs: 300, match: UPLOAD });
  const making = made.files.make();
  await expect.poll(() => handle.hits(), { timeout: 30_000 }).toBe(1);
  await made.journal.clockKnown("ntp", { baseMs: 5000, offsetMs: 0 });
  expect(await making).toBe(false);
  made.start();
  const told = await made.arrived();
  expect(values(told)).toEqual(ALL);
  expect(told[0]?.readings[0]).toMatchObject({ timeMs: 5000 });
});

it("lets nothing give way that is on its way as a file", async () => {
  const made = await bench(true, 40_000);
  await append(made.journal, 4000);
  await made.journal.beginStream("second");
  const waiting = made.journal.depth().readings;
  const handle = made.server.fault({ kind: "slow", delayMs: 300, match: UPLOAD });
  const making = made.files.make();
  await expect.poll(() => handle.hits(), { timeout: 30_000 }).toBe(1);
  await append(made.journal, 20_000);
  expect(await making).toBe(true);
  made.start();
  const told = await made.arrived();
  const ofFile = told.filter(({ form }) => form === "file");
  expect(ofFile.flatMap(({ readings }) => readings)).toHaveLength(waiting);
});
