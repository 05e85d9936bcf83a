// All metrics of a running agent, in the order in which they are shown. Read when somebody asks, from what the agent knows anyway: nothing is kept for them
// but a few counters. docs/metrics.md names each.
import type { Agent } from "#agent/agent.ts";
import type { Config } from "#agent/config/config.ts";
import { eventsLost } from "#agent/delivery/lane-bounds.ts";
import { wholeOutbox } from "#agent/delivery/outbox-depth.ts";
import { countUndecrypted } from "#agent/encryption/undecrypted.ts";
import { chunksWaiting } from "#agent/journal/depth.ts";
import { lostByReason } from "#agent/journal/losses.ts";
import type { Runtime } from "#agent/runtime.ts";
import type { Store } from "#agent/store/store.ts";
import { VERSION } from "#agent/version.ts";
import type { Family } from "./exposition.ts";
import { counter, counterBy, gauge, gaugeBy, seconds } from "./families.ts";
import { type ProcessFigures, processFamilies } from "./figures.ts";

export interface MetricsContext {
  readonly agent: Agent;
  readonly config: Config;
  readonly store: Store;
  readonly runtime: Runtime;
  readonly figures: ProcessFigures;
}

const flag = (is: boolean): number => (is ? 1 : 0);

const agentFamilies = ({ agent }: MetricsContext): Family[] => {
  const { alarms, clock, loginNeeded, upMs } = agent.snapshot();
  const states = ["unset", "rtc", "ntp", "gps"].map((state) => [state, flag(state === clock)] as const);
  return [
    {
      name: "petrel_build_info",
      type: "gauge",
      help: "Always 1; the version is the label.",
      samples: [{ labels: { version: VERSION }, value: 1 }],
    },
    gauge("petrel_uptime_seconds", "Since the agent began.", seconds(upMs)),
    gaugeBy(
      "petrel_clock_state",
      "1 for what is known of the clock: unset, rtc, ntp or gps.",
      "state",
      states,
    ),
    gauge(
      "petrel_login_needed",
      "1 where an operator must log the agent in again.",
      flag(loginNeeded !== undefined),
    ),
    gauge("petrel_alarms_raised", "Alarms that are raised.", alarms.length),
  ];
};

const linkFamilies = ({ agent, runtime }: MetricsContext): Family[] => {
  const { meter } = agent;
  const { lastAnswerMono, syncAnswers, syncFailures, syncState } = meter;
  const states = ["connecting", "online", "offline"].map(
    (state) => [state, flag(state === syncState)] as const,
  );
  const age = lastAnswerMono === null ? null : runtime.clock.monoMs() - lastAnswerMono;
  return [
    gauge("petrel_homeserver_reachable", "1 while the homeserver answers.", flag(agent.upstream.linkUp())),
    gaugeBy("petrel_sync_state", "1 for the state that /sync is in.", "state", states),
    counter("petrel_sync_answers_total", "Answers of /sync that were stored.", syncAnswers),
    counter("petrel_sync_failures_total", "Tries of /sync that failed.", syncFailures),
    gauge(
      "petrel_sync_last_answer_age_seconds",
      "Since the last of these answers.",
      age === null ? null : seconds(age),
    ),
  ];
};

const journalFamilies = ({ agent, config, runtime, store }: MetricsContext): Family[] => {
  const { bytes, live, readings } = agent.journal.depth();
  const isKnown = agent.snapshot().clock !== "unset";
  const now = { monoMs: runtime.clock.monoMs(), wallMs: isKnown ? agent.snapshot().asOfMs : null };
  const { chunks, oldestMs } = store.read((database) => chunksWaiting(database, now));
  const age = readings === 0 ? 0 : oldestMs === null ? null : seconds(oldestMs);
  const help = "Readings that were lost since the store was made, by reason; each is told to the room.";
  return [
    gauge("petrel_journal_readings", "Readings that wait in the journal.", readings),
    gauge("petrel_journal_live_readings", "Those of them that are no backlog.", live),
    gauge("petrel_journal_chunks", "Chunks that they lie in (at most).", chunks),
    gauge("petrel_journal_bytes", "What these take, sealed.", bytes),
    gauge(
      "petrel_journal_limit_bytes",
      "What they may take: delivery.journal.max_bytes.",
      config.delivery.journal.max_bytes,
    ),
    gauge("petrel_journal_oldest_age_seconds", "How long the oldest reading has waited.", age),
    counterBy("petrel_readings_lost_total", help, "reason", Object.entries(store.read(lostByReason))),
  ];
};

const outboxFamilies = ({ runtime, store }: MetricsContext): Family[] => {
  const { dead, lanes } = store.read(wholeOutbox);
  const now = runtime.clock.monoMs();
  const ages = lanes.flatMap(({ events, lane, sinceMono }) =>
    lane === "bulk"
      ? []
      : [[lane, events === 0 || sinceMono === null ? 0 : seconds(now - sinceMono)] as const],
  );
  const lost = store
    .read(eventsLost)
    .map(({ count, lane, reason }) => ({ labels: { lane, reason }, value: count }));
  return [
    gaugeBy(
      "petrel_outbox_events",
      "Events that wait to be sent, by lane.",
      "lane",
      lanes.map(({ events, lane }) => [lane, events]),
    ),
    gaugeBy(
      "petrel_outbox_bytes",
      "What they take, sealed.",
      "lane",
      lanes.map(({ bytes, lane }) => [lane, bytes]),
    ),
    gaugeBy(
      "petrel_outbox_oldest_age_seconds",
      "How long the oldest has waited, from its second second on.",
      "lane",
      ages,
    ),
    gauge(
      "petrel_outbox_dead_events",
      "Events that the homeserver refused for good (petrel outbox list).",
      dead,
    ),
    {
      name: "petrel_events_lost_total",
      type: "counter",
      help: "Events that gave way (delivery.lanes), since the store was made; the people room is told.",
      samples: lost,
    },
  ];
};

const sendingFamilies = ({ agent, runtime }: MetricsContext): Family[] => {
  const sender = agent.upstream.sender();
  if (sender === null) return [];
  const { counters } = sender;
  const lanes = [...counters.lanes()];
  const budget = sender.budget.view(runtime.clock.monoMs());
  return [
    counterBy(
      "petrel_events_sent_total",
      "Events that are in their room.",
      "lane",
      lanes.map(([lane, { sent }]) => [lane, sent]),
    ),
    counterBy(
      "petrel_send_attempts_total",
      "PUT requests for them.",
      "lane",
      lanes.map(([lane, { attempts }]) => [lane, attempts]),
    ),
    counterBy(
      "petrel_send_retries_total",
      "Those that were not an event's first.",
      "lane",
      lanes.map(([lane, { retries }]) => [lane, retries]),
    ),
    counter(
      "petrel_send_found_total",
      "Events whose answer was lost and which were found in the room.",
      counters.found,
    ),
    counter("petrel_send_set_aside_total", "Events that the homeserver refused for good.", counters.buried),
    counterBy(
      "petrel_send_failures_total",
      "Steps of sending that failed, by kind: limited is a refusal for now, refused one for good or by a room.",
      "kind",
      counters.failures(),
    ),
    gauge(
      "petrel_send_held_seconds",
      "How long all sending still waits: a rate limit, or no network.",
      seconds(sender.stats().heldMs),
    ),
    gauge(
      "petrel_budget_limited",
      "1 where the homeserver was found to limit how many events we send.",
      flag(budget !== null),
    ),
    gauge("petrel_budget_tokens", "Events that may be sent at once, under that limit.", budget?.tokens),
    gauge("petrel_budget_events_per_second", "The limit, as it was learned.", budget?.rate),
  ];
};

const networkFamilies = ({ agent }: MetricsContext): Family[] => {
  const { left, today, total, waits } = agent.bytes.view();
  return [
    counterBy(
      "petrel_network_bytes_total",
      "Bytes to and from the homeserver, by interface.",
      "interface",
      total,
    ),
    gaugeBy("petrel_network_today_bytes", "Those of this day (UTC), kept in the store.", "interface", today),
    gauge(
      "petrel_network_left_today_bytes",
      "What is left of delivery.bytes.per_day for metered interfaces.",
      left,
    ),
    gauge(
      "petrel_network_bulk_waits",
      "1 while readings wait for another interface or another day.",
      flag(waits !== null),
    ),
  ];
};

const inputFamilies = ({ agent, runtime }: MetricsContext): Family[] => {
  const { ingest } = agent;
  const faults = Object.entries(ingest.counters()).flatMap(([driver, counts]) =>
    Object.entries(counts).map(([kind, value]) => ({ labels: { driver, kind }, value })),
  );
  const ages = ingest.values
    .views(runtime.clock.monoMs())
    .map(({ ageMs, name }) => [name, seconds(ageMs)] as const);
  return [
    gaugeBy(
      "petrel_driver_up",
      "1 while the driver works.",
      "driver",
      ingest.views().map(({ name, state }) => [name, flag(state === "up")]),
    ),
    counterBy(
      "petrel_driver_readings_total",
      "Readings of the driver that were accepted.",
      "driver",
      ingest.accepted(),
    ),
    {
      name: "petrel_driver_counts_total",
      type: "counter",
      help: "What the driver counted beside them: malformed, overlong, thinned, ...",
      samples: faults,
    },
    counterBy(
      "petrel_channel_readings_total",
      "Readings of the channel that were accepted.",
      "channel",
      ingest.values.counts(),
    ),
    gaugeBy("petrel_channel_age_seconds", "Since the channel's last reading.", "channel", ages),
  ];
};

const encryptionFamilies = ({ config, store }: MetricsContext): Family[] =>
  config.encryption.enabled
    ? [
        gaugeBy(
          "petrel_undecryptable_events",
          "Events that cannot be read (yet), by cause (docs/encryption.md).",
          "cause",
          Object.entries(store.read(countUndecrypted)),
        ),
      ]
    : [];

export const collect = (context: MetricsContext): Family[] => [
  ...agentFamilies(context),
  ...linkFamilies(context),
  ...journalFamilies(context),
  ...outboxFamilies(context),
  ...sendingFamilies(context),
  ...networkFamilies(context),
  ...inputFamilies(context),
  ...encryptionFamilies(context),
  ...processFamilies(context.figures),
];
