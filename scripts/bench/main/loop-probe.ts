// Preloaded into the agent by the loop-delay bench (node --import): on SIGUSR2 it writes the longest delay of the event loop since the last call, in ms.
import { writeFileSync } from "node:fs";
import { monitorEventLoopDelay } from "node:perf_hooks";

const delay = monitorEventLoopDelay({ resolution: 1 });
delay.enable();
process.on("SIGUSR2", () => {
  writeFileSync(
    process.env["LOOP_PROBE_FILE"] ?? "loop-probe.json",
    JSON.stringify({ maxMs: delay.max / 1e6, p99Ms: delay.percentile(99) / 1e6 }),
  );
  delay.reset();
});
