// The status message of the people room: one message, edited in place. Here only its words: what a snapshot of the agent looks like to a person.
import type { AlarmView } from "#agent/alarms/view.ts";
import { notice, withHtml, withMentions } from "#agent/matrix/relations.ts";
import type { JsonObject } from "#agent/matrix/types.ts";
import type { Value } from "#drivers/driver.ts";

export interface ChannelView {
  readonly name: string;
  readonly label?: string | undefined;
  readonly unit?: string | undefined;
  readonly value: Value;
  /** How old the value was when the card was made. */
  readonly ageMs: number;
}

export interface DriverView {
  readonly name: string;
  readonly state: "starting" | "up" | "down" | "stopped";
  readonly detail?: string | undefined;
}

export interface Snapshot {
  readonly device: string;
  readonly version: string;
  readonly state: "online" | "stopping" | "offline";
  readonly upMs: number;
  readonly clock: string;
  /** When it was made, by the device's clock; told only where that is known. */
  readonly asOfMs: number;
  readonly drivers: readonly DriverView[];
  /** What the card shows. */
  readonly channels: readonly ChannelView[];
  /** Every reading's last value, by name. */
  readonly readings: readonly ChannelView[];
  /** Readings that wait, in the journal and in events. */
  readonly waiting: number;
  readonly lost: number;
  /** The homeserver does not know us any more, and why the agent cannot mend that itself. */
  readonly loginNeeded?: string;
  /** Raised, the worst first. */
  readonly alarms: readonly AlarmView[];
}

const AGE_STEPS: readonly (readonly [number, number, string])[] = [
  [120_000, 1000, "s"],
  [7_200_000, 60_000, "min"],
  [172_800_000, 3_600_000, "h"],
  [Number.POSITIVE_INFINITY, 86_400_000, "d"],
];

/** 95,000 -> "95 s"; what is under a second is "now". */
export const ageText = (ms: number): string => {
  if (ms < 1000) return "now";
  const [, unitMs, unit] = AGE_STEPS.find(([below]) => ms < below) ?? [0, 1000, "s"];
  return `${Math.floor(ms / unitMs)} ${unit}`;
};

/** SenML units as people write them. */
const UNIT_TEXT: Readonly<Record<string, string>> = {
  Cel: "°C",
  "%RH": "% RH",
  lat: "°",
  lon: "°",
  "%EL": "%",
};

/** Characters of one text value, and lines of readings: an edit holds the card four times over (text and table, for old clients and new). */
const VALUE_CHARS_MAX = 60;
const CHANNELS_MAX = 30;
const DRIVERS_MAX = 30;
const DETAIL_CHARS_MAX = 120;

/** Bytes of the content: twice that, in an encrypted edit, is within an event. What is larger (names and values full of quotes) goes without its table. */
const CARD_BYTES_MAX = 22_000;
const PLAIN_CHARS_MAX = 7_000;

const cut = (text: string, charsMax: number): string => {
  const line = text.replaceAll(/\p{Cc}+/gu, " ");
  return (line.length <= charsMax ? line : `${line.slice(0, charsMax)}...`).toWellFormed();
};

/** Enough for a position to a decimetre, few enough to hide the noise of a float. */
const DIGITS_MAX = 9;

export const valueText = (value: Value, unit: string | undefined): string => {
  if (value instanceof Uint8Array) return `${value.length} bytes`;
  const text = typeof value === "number" ? String(Number(value.toPrecision(DIGITS_MAX))) : String(value);
  return unit === undefined || typeof value !== "number" ? text : `${text} ${UNIT_TEXT[unit] ?? unit}`;
};

const STATE_MARK: Readonly<Record<DriverView["state"], string>> = {
  up: "●",
  starting: "○",
  down: "✗",
  stopped: "–",
};

const headline = ({ device, state, upMs, version }: Snapshot): string =>
  state === "online"
    ? `${device}: online${upMs < 1000 ? "" : ` for ${ageText(upMs)}`} (Petrel ${version})`
    : `${device}: ${state} (Petrel ${version})`;

/** A few readings always wait for their batch; a backlog is worth a line. */
const WAITING_SHOWN_MIN = 500;

const shownDrivers = ({ drivers }: Snapshot): readonly DriverView[] => drivers.slice(0, DRIVERS_MAX);
const shownChannels = ({ channels }: Snapshot): readonly ChannelView[] => channels.slice(0, CHANNELS_MAX);

/** "2026-11-24 17:58 UTC": a card is only edited when something changes, so it says when that was. */
const minuteText = (ms: number): string => `${new Date(ms).toISOString().slice(0, 16).replace("T", " ")} UTC`;

const asOf = ({ asOfMs, clock }: Snapshot): string[] =>
  clock === "unset" ? [] : [`as of ${minuteText(asOfMs)}`];

const ALARMS_MAX = 10;
const ALARM_CHARS_MAX = 300;

const alarmLines = ({ alarms }: Snapshot): string[] => [
  ...alarms.slice(0, ALARMS_MAX).map(({ line }) => cut(line, ALARM_CHARS_MAX)),
  ...(alarms.length > ALARMS_MAX ? [`${alarms.length - ALARMS_MAX} more alarms`] : []),
];

const footnotes = ({ channels, clock, loginNeeded, lost, waiting }: Snapshot): string[] => [
  ...(loginNeeded === undefined ? [] : [`login needed, readings are kept: ${loginNeeded}`]),
  ...(channels.length > CHANNELS_MAX ? [`${channels.length - CHANNELS_MAX} more readings`] : []),
  ...(clock === "unset" ? ["clock not set: commands that change anything are refused"] : []),
  ...(waiting > WAITING_SHOWN_MIN ? [`${waiting} readings wait to be sent`] : []),
  ...(lost > 0 ? [`${lost} readings lost for want of room`] : []),
];

const driverLine = ({ name, state, detail }: DriverView): string =>
  `${STATE_MARK[state]} ${cut(name, VALUE_CHARS_MAX)}: ${state}${detail === undefined ? "" : ` (${cut(detail, DETAIL_CHARS_MAX)})`}`;

/** The card as plain text: also what the command `status` answers. */
export const statusText = (snapshot: Snapshot): string =>
  [
    headline(snapshot),
    ...alarmLines(snapshot),
    ...shownDrivers(snapshot).map(driverLine),
    ...shownChannels(snapshot).map(
      ({ name, label, value, unit, ageMs }) =>
        `${cut(label ?? name, VALUE_CHARS_MAX)}: ${cut(valueText(value, unit), VALUE_CHARS_MAX)} (${ageText(ageMs)})`,
    ),
    ...footnotes(snapshot),
    ...asOf(snapshot),
  ].join("\n");

const escapeHtml = (text: string): string =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");

const html = (snapshot: Snapshot): string => {
  const rows = shownChannels(snapshot).map(
    ({ name, label, value, unit, ageMs }) =>
      `<tr><td>${escapeHtml(cut(label ?? name, VALUE_CHARS_MAX))}</td><td><b>${escapeHtml(cut(valueText(value, unit), VALUE_CHARS_MAX))}</b></td><td>${ageText(ageMs)}</td></tr>`,
  );
  const table =
    rows.length === 0
      ? ""
      : `<table><tr><th>reading</th><th>value</th><th>age</th></tr>${rows.join("")}</table>`;
  const lines = [
    ...alarmLines(snapshot),
    ...shownDrivers(snapshot).map(driverLine),
    ...footnotes(snapshot),
    ...asOf(snapshot),
  ].map((line) => `${escapeHtml(line)}<br>`);
  return `<b>${escapeHtml(headline(snapshot))}</b><br>${lines.join("")}${table}`;
};

/** Beyond it a value counts as old: that is worth an edit, once. */
const OLD_MS = 600_000;

/** Equal for two snapshots whose cards tell the same: ages and the time apart, which pass by themselves. */
export const cardKey = (snapshot: Snapshot): string => {
  const { device, state, version } = snapshot;
  const channels = shownChannels(snapshot).map(({ ageMs, label, name, unit, value }) => [
    cut(label ?? name, VALUE_CHARS_MAX),
    cut(valueText(value, unit), VALUE_CHARS_MAX),
    ageMs > OLD_MS,
  ]);
  return JSON.stringify([
    device,
    version,
    state,
    shownDrivers(snapshot).map(driverLine),
    channels,
    footnotes(snapshot),
    snapshot.alarms.map(({ acknowledgedBy, id, text }) => [id, text, acknowledgedBy]),
  ]);
};

/** What the card says when the homeserver has not heard of us for a while: of the values nothing is known then. */
export const offlineContent = (device: string, silentMs: number): JsonObject =>
  withMentions(
    notice(
      `${device}: offline (no word from it for ${ageText(silentMs)}; its last readings are in the data room)`,
    ),
    [],
  );

/** The message's content; an edit wraps it (relations.ts). It mentions nobody. */
export const statusContent = (snapshot: Snapshot): JsonObject => {
  const text = statusText(snapshot);
  const whole = withMentions(withHtml(notice(text), html(snapshot)), []);
  if (Buffer.byteLength(JSON.stringify(whole), "utf8") <= CARD_BYTES_MAX) return whole;
  return withMentions(notice(text.slice(0, PLAIN_CHARS_MAX).toWellFormed()), []);
};
