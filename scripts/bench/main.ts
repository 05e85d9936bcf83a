// The suite `main`: what the main job costs, beside what somebody would write instead (issue: "Measured").

import { latencyRows } from "./main/latency.ts";
import { loopDelayRows } from "./main/loop-delay.ts";
import { memoryRows } from "./main/memory.ts";
import { bundle, mosquittoProgram } from "./main/stage.ts";
import { startRows } from "./main/start.ts";
import { type BenchRow, missing } from "./row.ts";
import { storeThroughput } from "./store.ts";

export const name = "main";

type Report = (row: BenchRow) => void;

export const run = async (report: Report, { rounds }: { readonly rounds: number }): Promise<void> => {
  await bundle();
  for (const row of await storeThroughput()) report(row);
  const mosquitto = mosquittoProgram();
  if (mosquitto === null) {
    report(
      missing(
        "memory, start, latency",
        "",
        "mqtt.js and others",
        "",
        "mosquitto is missing: apt-get install mosquitto mosquitto-clients",
      ),
    );
    return;
  }
  const parts = [startRows, latencyRows, memoryRows];
  for (const part of parts) for (const row of await part(mosquitto, rounds)) report(row);
  for (const row of await loopDelayRows(mosquitto)) report(row);
};
