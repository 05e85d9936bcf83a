// The commands that every agent has: help, status, get, version.
import { ageText, type ChannelView, type Snapshot, statusText, valueText } from "#agent/rooms/status-card.ts";
import { usage } from "./arguments.ts";
import type { Command } from "./command.ts";

const told = (text: string): Promise<{ ok: true; text: string }> => Promise.resolve({ ok: true, text });

const channelLine = ({ name, value, unit, ageMs }: ChannelView): string =>
  `${name}: ${valueText(value, unit)} (${ageText(ageMs)})`;

/** Enough to see how readings are named here. */
const NAMES_SHOWN = 50;

const getReading = (snapshot: Snapshot, wanted: string): Promise<{ ok: boolean; text: string }> => {
  const exact = snapshot.readings.filter(({ name }) => name === wanted);
  const found =
    exact.length > 0 ? exact : snapshot.readings.filter(({ name }) => name.startsWith(`${wanted}/`));
  if (found.length > 0) return told(found.map(channelLine).join("\n"));
  const names = snapshot.readings.map(({ name }) => name);
  const more = names.length > NAMES_SHOWN ? ` and ${names.length - NAMES_SHOWN} more` : "";
  const shown = names.slice(0, NAMES_SHOWN).join(", ");
  const known = names.length === 0 ? "there is none yet" : `there are ${shown}${more}`;
  return Promise.resolve({ ok: false, text: `no reading "${wanted}": ${known}` });
};

const helpText = (commands: readonly Command[], prefix: string): string =>
  commands
    .map(({ confirm, help, name, rules }) => {
      const more = [help, confirm === undefined ? "" : "waits for a code"].filter((part) => part !== "");
      return [`${prefix} ${usage(name, rules)}`, ...more].join(more.length > 1 ? "; " : ": ");
    })
    .join("\n");

/** `all` gives every command at the time of the call, for `help`. */
export const builtinCommands = (
  snapshot: () => Snapshot,
  all: () => readonly Command[],
  prefix: string,
): Command[] => {
  const common = { level: 0, harmless: true, rules: {} };
  return [
    { ...common, name: "help", help: "lists the commands", run: () => told(helpText(all(), prefix)) },
    { ...common, name: "status", help: "how this device is", run: () => told(statusText(snapshot())) },
    {
      ...common,
      name: "get",
      help: "the last value of a reading, or of all that begin with a name",
      rules: { reading: {} },
      run: (values) => getReading(snapshot(), values["reading"] ?? ""),
    },
    { ...common, name: "version", help: "what runs here", run: () => told(`Petrel ${snapshot().version}`) },
  ];
};
