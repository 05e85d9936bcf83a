// Bytes that the agent writes to the disk per reading: 80 readings a second of 100 bytes of SenML JSON, through journal, packs, outbox and deletion. From
// /proc/PID/io (write_bytes: what was dirtied in the page cache of a real disk), after the start. Alone: `node scripts/bench/delivery/flash.ts 1s 15 60`.
import { readFileSync } from "node:fs";
import { pause } from "../main/stage.ts";
import { atMost, type BenchRow, missing } from "../row.ts";
import { openSite, PER_SECOND, READING_BYTES } from "./site.ts";

export interface FlashRun {
  readonly readings: number;
  readonly writtenBytes: number;
  readonly events: number;
}

export interface FlashOptions {
  readonly flush: string;
  /** After the start, before what is measured. */
  readonly settleSeconds: number;
  readonly seconds: number;
  readonly program?: string | undefined;
}

const writtenBy = (pid: number): number =>
  Number(/^write_bytes: (\d+)$/m.exec(readFileSync(`/proc/${pid}/io`, "utf8"))?.[1] ?? 0);

export const measureFlash = async (options: FlashOptions): Promise<FlashRun> => {
  const { flush, program, seconds, settleSeconds } = options;
  const site = await openSite({ config: `delivery: { flush: { default: ${flush} } }`, program });
  const events = (): number =>
    site.server.events(site.data).filter(({ type }) => type === "dev.petrel.telemetry").length;
  try {
    const agent = await site.start();
    const pid = agent.child.pid ?? 0;
    const source = site.source();
    await pause(settleSeconds * 1000);
    const before = { bytes: writtenBy(pid), sent: source.sent(), events: events() };
    await pause(seconds * 1000);
    const run = {
      readings: source.sent() - before.sent,
      writtenBytes: writtenBy(pid) - before.bytes,
      events: events() - before.events,
    };
    source.stop();
    await agent.stop();
    return run;
  } finally {
    await site.dispose();
  }
};

const GOALS: Readonly<Record<string, number>> = { "1s": 4, "10s": 1.5 };
const SETTLE_SECONDS = 20;
const SECONDS = 60;
const BESIDE = "its bytes as received";

export const flashRows = async (): Promise<BenchRow[]> => {
  const rows: BenchRow[] = [];
  for (const [flush, goal] of Object.entries(GOALS)) {
    const run = await measureFlash({ flush, settleSeconds: SETTLE_SECONDS, seconds: SECONDS });
    const { events, readings, writtenBytes } = run;
    const name = `bytes on the disk per reading of ${READING_BYTES} bytes, ${PER_SECOND}/s, flush ${flush}, delivered and deleted`;
    const reason = `${readings} readings, ${events} events in ${SECONDS} s, plain room`;
    const value = writtenBytes / readings;
    rows.push(
      writtenBytes === 0
        ? missing(name, "bytes", BESIDE, `<= ${goal}`, "0 counts as not measured: no real disk")
        : atMost({ name, unit: "bytes", value, peer: BESIDE, peerValue: READING_BYTES, goal, reason }),
    );
  }
  return rows;
};

if (import.meta.main) {
  const [, , flush = "1s", settle = "20", seconds = "60", program] = process.argv;
  const options = { flush, settleSeconds: Number(settle), seconds: Number(seconds), program };
  const run = await measureFlash(options);
  console.log({ ...run, perReading: run.writtenBytes / run.readings });
}
