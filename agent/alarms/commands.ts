// The commands `alarms` and `ack`. Both only tell or note: they change nothing of the device, so they are allowed while its clock is unset.
import type { Command, Outcome } from "#agent/commands/command.ts";
import { SHOWN_MAX } from "./limits.ts";
import type { AlarmRule } from "./rule.ts";
import { type AlarmView, alarmViews } from "./view.ts";
import type { AlarmWatch } from "./watch.ts";
import { conditionText } from "./words.ts";

/** Who may say for all that an alarm was seen: a moderator's level in the specification's defaults. */
const ACK_LEVEL = 50;

const quoted = (rules: readonly AlarmRule[]): string =>
  rules
    .slice(0, SHOWN_MAX)
    .map((rule) => `${rule.label} ${conditionText(rule)}`)
    .join("; ");

const listText = (watch: AlarmWatch, nowMs: number): string => {
  const views = alarmViews(watch, nowMs);
  if (views.length > 0)
    return views
      .slice(0, SHOWN_MAX)
      .map(({ line }) => line)
      .join("\n");
  if (watch.rules.length === 0) return "no alarm is configured (channels.<name>.alarm)";
  return `no alarm; watched for: ${quoted(watch.rules)}`;
};

const isMeant = ({ id, name }: AlarmView, which: string): boolean =>
  which === "all" || which.toLowerCase() === id || which === name;

const acknowledge = async (watch: AlarmWatch, which: string, by: string, nowMs: number): Promise<Outcome> => {
  const views = alarmViews(watch, nowMs);
  const meant = views.filter((view) => isMeant(view, which));
  if (meant.length === 0) {
    const known = views.length === 0 ? "there is none" : `there are ${views.map(({ id }) => id).join(", ")}`;
    return { ok: false, text: `no raised alarm "${which}": ${known}` };
  }
  const ids = new Set(meant.map(({ id }) => id));
  const rules = watch.rules.filter((rule) => {
    const state = watch.stateOf(rule);
    return state.state === "raised" && ids.has(state.id);
  });
  await watch.acknowledge(rules, by);
  return { ok: true, text: `acknowledged: ${meant.map(({ id, text }) => `${id} ${text}`).join("; ")}` };
};

export const alarmCommands = (watch: AlarmWatch, wallMs: () => number): Command[] => [
  {
    name: "alarms",
    help: "the alarms that are raised, or what is watched for",
    level: 0,
    harmless: true,
    rules: {},
    run: () => Promise.resolve({ ok: true, text: listText(watch, wallMs()) }),
  },
  {
    name: "ack",
    help: "notes that you have seen an alarm: its ID, its reading, or all",
    level: ACK_LEVEL,
    harmless: true,
    rules: { alarm: {} },
    run: (values, _signal, sender) => acknowledge(watch, values["alarm"] ?? "", sender, wallMs()),
  },
];
