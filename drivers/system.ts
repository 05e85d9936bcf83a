// Driver `system`: how the machine itself is, from /proc and /sys: processor, load, memory, disks, temperatures, uptime, network.
//
//   board: { type: system, interval_s: 30, disks: ["/", "/var/lib/petrel"] }     ->  system/cpu, system/memory, system/temperature, ...
import { networkInterfaces } from "node:os";
import * as z from "zod";
import type { Driver, DriverContext, DriverKind } from "./driver.ts";
import { isReadingName } from "./mapping.ts";
import { createOutflow } from "./outflow.ts";
import { type Addresses, look, type Places } from "./system/look.ts";
import type { CpuTimes } from "./system/sources.ts";
import { createTicker } from "./ticker.ts";

export interface SystemOptions {
  readonly interval_s: number;
  readonly prefix: string;
  readonly disks: readonly string[];
  readonly proc: string;
  readonly sys: string;
}

const NOTHING_FOUND =
  "nothing could be read of this machine (is /proc mounted, and is the path under proc right?); it is tried again at the next interval";

/** The driver over given places; `addresses` is a parameter because no file tells which interface has which address. */
export const createSystem = (
  options: SystemOptions,
  context: DriverContext,
  addresses: Addresses = networkInterfaces,
): Driver => {
  const places: Places = { ...options, addresses };
  const outflow = createOutflow(context);
  let cpu: CpuTimes | null = null;
  let state: "starting" | "up" | "down" | "stopped" = "starting";

  const report = (next: typeof state, detail?: string): void => {
    if (next === state) return;
    state = next;
    context.state(next, detail);
  };

  const sample = async (): Promise<void> => {
    const seen = await look(places, cpu);
    cpu = seen.cpu;
    if (state === "stopped") return;
    if (seen.findings.length === 0 && cpu === null) return report("down", NOTHING_FOUND);
    report("up");
    const monoMs = context.clock.monoMs();
    outflow.offer(
      seen.findings.map((finding) => ({ ...finding, name: `${options.prefix}/${finding.name}`, monoMs })),
    );
  };

  const ticker = createTicker(context, options.interval_s * 1_000, sample);
  return {
    start: async () => {
      if (state === "stopped") return;
      context.state("starting");
      ticker.start();
    },
    stop: async () => {
      report("stopped");
      await ticker.stop();
      await outflow.stop();
    },
  };
};

export const system: DriverKind<SystemOptions> = {
  kind: "system",
  schema: z.strictObject({
    interval_s: z.number().min(1).max(86_400).default(30).describe("Seconds between two looks."),
    prefix: z
      .string()
      .refine(isReadingName, { error: 'expected the beginning of a reading\'s name, such as "system"' })
      .default("system")
      .describe("What all names begin with: system/cpu, system/memory, ..."),
    disks: z
      .array(z.string().startsWith("/", { error: "expected an absolute path" }))
      .max(16)
      .default(["/"])
      .describe("Paths whose file systems are watched. The root is system/disk, others carry their path."),
    proc: z
      .string()
      .min(1)
      .default("/proc")
      .describe("Where the proc file system is; the host's inside a container."),
    sys: z.string().min(1).default("/sys").describe("Where sysfs is."),
  }),
  create: (_name, options, context) => createSystem(options, context),
};
