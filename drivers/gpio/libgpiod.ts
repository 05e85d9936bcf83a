// The way to the pins through the character device, by libgpiod's own tools (no native code of ours): gpiodetect and gpioinfo to find the lines,
// gpioget for the levels at the beginning, a gpiomon per group of inputs, a gpioset per output. Versions 1 and 2.
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { type DriverContext, DriverError, type Timers } from "../driver.ts";
import type { Backend, BackendEvents } from "./backend.ts";
import { gpiogetArguments, gpiomonArguments, gpiosetArguments } from "./dialect.ts";
import { groupInputs, type WatchedInput } from "./groups.ts";
import { releaseLeft } from "./guards.ts";
import { type Input, usableStamp, watchedEdges } from "./input.ts";
import { CHECK_EVERY_MS, STAMP_DRIFT_MAX_MS } from "./limits.ts";
import { findLine, type Place, placeKey } from "./lines.ts";
import { type Monitor, startMonitor } from "./monitor.ts";
import type { GpioOptions, OutputOptions } from "./options.ts";
import { createLineDriver, type LineDriver } from "./output.ts";
import {
  type Chip,
  type Dialect,
  type LineInfo,
  parseGpiodetect,
  parseGpioinfo,
  parseLevels,
  parseVersion,
} from "./parse.ts";
import { complaint, type GpioHost, runTool, toolError } from "./tools.ts";

export interface LibgpiodParts {
  readonly options: GpioOptions;
  readonly inputs: (dialect: Dialect) => readonly Input[];
  readonly host: GpioHost;
  readonly context: DriverContext;
  readonly events: BackendEvents;
}

interface DrivenOutput {
  readonly output: OutputOptions;
  readonly place: Place;
  readonly line: LineDriver;
  /** Identity of the chip's device file: a chip that went and came back is another one. */
  readonly chip: string;
}

/** Asks the tools which version they are. Rejects when there are none. */
export const detectDialect = async (program: string, timers: Timers): Promise<Dialect> => {
  const { output, errors } = await runTool(program, ["--version"], timers);
  const dialect = parseVersion(output);
  if (dialect === null)
    throw new DriverError(
      "UNAVAILABLE",
      `${program} --version: expected libgpiod 1 or 2, found "${(output || errors).slice(0, 80)}"`,
    );
  return dialect;
};

const infoOf = (lines: readonly LineInfo[], place: Place): LineInfo | undefined =>
  lines.find(({ chip, offset }) => chip === place.chip && offset === place.offset);

const once = (work: () => void): (() => void) => {
  let done = false;
  return () => {
    if (!done) work();
    done = true;
  };
};

export class Libgpiod implements Backend {
  readonly #parts: LibgpiodParts;
  readonly #timers: Timers;
  readonly #outputs = new Map<string, DrivenOutput>();
  #monitors: Monitor[] = [];
  #chips = new Map<string, string>();
  #cancelCheck: () => void = () => undefined;
  #closed = false;

  constructor(parts: LibgpiodParts) {
    this.#parts = parts;
    this.#timers = parts.host.timers ?? parts.context.timers;
  }

  async open(): Promise<void> {
    const { options, inputs } = this.#parts;
    const dialect = await detectDialect(this.#tool("gpiodetect"), this.#timers);
    const chips = parseGpiodetect(await this.#ask("gpiodetect", []));
    const lines = await this.#list(dialect);
    const outputs = options.outputs.map((output) => ({ output, place: findLine(output, chips, lines) }));
    const watched = inputs(dialect).map((input) => this.#watched(input, dialect, chips, lines));
    await this.#identify([...outputs, ...watched].map(({ place }) => place.chip));
    // Outputs first: a pump must not wait for a rain gauge.
    const freed = await this.#takeOver(outputs.map(({ place }) => placeKey(place)));
    const now = freed ? await this.#list(dialect) : lines;
    for (const { output, place } of outputs) await this.#acquire(dialect, output, place, now);
    for (const group of groupInputs(watched)) await this.#watch(dialect, group);
    this.#check();
  }

  async drive(output: OutputOptions, level: 0 | 1): Promise<void> {
    const driven = this.#outputs.get(output.name);
    if (driven === undefined)
      throw new DriverError(
        "UNAVAILABLE",
        `${output.name}: the line is not held at the moment; nothing was changed`,
      );
    await driven.line.drive(level);
    this.#parts.events.driven(output, level);
  }

  async suspend(): Promise<void> {
    this.#cancelCheck();
    const monitors = this.#monitors.splice(0);
    await Promise.all(monitors.map((monitor) => monitor.stop()));
    for (const [name, driven] of this.#outputs) {
      if ((await this.#isSound(driven)) && !this.#closed) continue;
      this.#outputs.delete(name);
      await driven.line.release();
    }
  }

  async close(): Promise<void> {
    this.#cancelCheck();
    const outputs = [...this.#outputs.values()];
    this.#outputs.clear();
    await Promise.all(outputs.map(({ line }) => line.leave()));
    this.#closed = true;
    await this.suspend();
  }

  #tool(name: string): string {
    const { tools } = this.#parts.options;
    return tools === undefined ? name : join(tools, name);
  }

  async #ask(tool: string, args: readonly string[]): Promise<string> {
    const { code, output, errors } = await runTool(this.#tool(tool), args, this.#timers);
    if (code !== 0) throw toolError(tool, complaint(errors));
    return output;
  }

  async #list(dialect: Dialect): Promise<LineInfo[]> {
    return parseGpioinfo(dialect, await this.#ask("gpioinfo", []));
  }

  #watched(input: Input, dialect: Dialect, chips: readonly Chip[], lines: readonly LineInfo[]): WatchedInput {
    const { options } = input;
    const place = findLine(options, chips, lines);
    const soft = dialect === 1 ? options.debounce_ms : 0;
    return {
      input,
      place,
      settings: {
        edges: watchedEdges(options, soft),
        bias: options.bias,
        activeLow: options.active_low,
        debounceMs: dialect === 1 ? 0 : options.debounce_ms,
      },
    };
  }

  /** Device numbers are used again, so the inode's birth is part of a chip's identity. */
  async #chipIdentity(chip: string): Promise<string> {
    const found = await stat(join(this.#parts.host.devices, chip)).catch(() => null);
    return found === null ? "gone" : `${found.ino}:${found.rdev}:${found.ctimeMs}`;
  }

  async #identify(chips: readonly string[]): Promise<void> {
    this.#chips = new Map();
    for (const chip of new Set(chips)) this.#chips.set(chip, await this.#chipIdentity(chip));
  }

  async #takeOver(keys: readonly string[]): Promise<boolean> {
    const { host, context } = this.#parts;
    const mine = new Set([...this.#outputs.values()].map(({ place }) => placeKey(place)));
    const foreign = new Set(keys.filter((key) => !mine.has(key)));
    const released = await releaseLeft(host, foreign, this.#timers);
    if (released > 0)
      context.log.info({ lines: released }, "took over lines that were left at their safe values");
    return released > 0;
  }

  async #acquire(
    dialect: Dialect,
    output: OutputOptions,
    place: Place,
    lines: readonly LineInfo[],
  ): Promise<void> {
    if (this.#outputs.has(output.name)) return;
    const { host, events } = this.#parts;
    const holder = infoOf(lines, place)?.consumer ?? null;
    if (holder !== null)
      throw new DriverError(
        "BUSY",
        `${output.name}: ${placeKey(place)} is held by "${holder}": stop that program`,
      );
    const settings = { bias: output.bias, drive: output.drive, activeLow: output.active_low };
    const line = createLineDriver({
      key: placeKey(place),
      safe: output.safe,
      afterStop: output.after_stop,
      program: this.#tool("gpioset"),
      args: [...gpiosetArguments(dialect, settings, place.chip), `${place.offset}=`],
      place: `${output.name} (${placeKey(place)})`,
      host,
      timers: this.#timers,
      held: async () => {
        const now = infoOf(await this.#list(dialect), place);
        return now?.output === true && now.consumer !== null;
      },
    });
    try {
      await line.drive(output.safe);
    } catch (error) {
      await line.release();
      throw error;
    }
    this.#outputs.set(output.name, { output, place, line, chip: this.#chips.get(place.chip) ?? "" });
    events.driven(output, output.safe);
  }

  async #watch(dialect: Dialect, group: readonly WatchedInput[]): Promise<void> {
    const { host, events, context } = this.#parts;
    const [first] = group;
    if (first === undefined) return;
    const { settings, place } = first;
    const offsets = group.map((watched) => watched.place.offset);
    const byOffset = new Map(group.map((watched) => [watched.place.offset, watched.input]));
    const levels = parseLevels(
      await this.#ask("gpioget", gpiogetArguments(dialect, settings, place.chip, offsets)),
    );
    const readAtMs = context.clock.monoMs();
    const begin = once(() => {
      for (const [index, { input }] of group.entries()) events.begin(input, levels?.[index] ?? 0, readAtMs);
    });
    const monitor = await startMonitor(
      {
        dialect,
        program: this.#tool("gpiomon"),
        args: gpiomonArguments(dialect, settings, place.chip, offsets),
        place: `${place.chip} ${offsets.join(" ")}`,
        host,
        timers: this.#timers,
        watched: async () => {
          const lines = await this.#list(dialect);
          const held = lines.filter(({ chip, consumer }) => chip === place.chip && consumer !== null);
          return offsets.every((offset) => held.some((line) => line.offset === offset));
        },
      },
      {
        edges: (edges) => {
          begin();
          const now = context.clock.monoMs();
          for (const edge of edges) {
            const input = byOffset.get(edge.offset);
            if (input !== undefined)
              events.edge(input, edge.level, usableStamp(edge, now, STAMP_DRIFT_MAX_MS));
          }
        },
        garbled: events.garbled,
        ended: events.lost,
      },
    );
    this.#monitors.push(monitor);
    // Only now that the lines are watched (or at the first edge): whoever has seen a first level can count on the next edge.
    begin();
  }

  async #isSound({ line, chip, place }: DrivenOutput): Promise<boolean> {
    return chip === (await this.#chipIdentity(place.chip)) && (await line.alive());
  }

  // gpiomon and gpioset go on silently when their chip is gone, so it is looked at here.
  #check(): void {
    if (this.#closed) return;
    this.#cancelCheck = this.#parts.context.timers.after(CHECK_EVERY_MS, () => void this.#inspect());
  }

  async #inspect(): Promise<void> {
    const reason = await this.#fault();
    if (reason !== null) this.#parts.events.lost(reason);
    else this.#check();
  }

  async #fault(): Promise<DriverError | null> {
    for (const [chip, identity] of this.#chips)
      if ((await this.#chipIdentity(chip)) !== identity)
        return new DriverError(
          "UNAVAILABLE",
          `${chip}: the chip is gone; is it plugged in, is its module loaded?`,
        );
    for (const { output, line } of this.#outputs.values())
      if (!(await line.alive()))
        return new DriverError("UNAVAILABLE", `${output.name}: the process that held the line was ended`);
    return null;
  }
}
