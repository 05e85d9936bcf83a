// From a message of a broker to readings: which subscription it belongs to, how its payload is read, and the mapping that names the values.
// Shared by the mqtt and the broker driver. The first subscription whose filter matches takes the message: an overlap never doubles a reading.
import type { ZodType } from "zod";
import * as z from "zod";
import {
  compileMapping,
  isReadingName,
  type Mapped,
  type Mapper,
  nameFrom,
  type ReadingRule,
  readingsSchema,
  type TimeRule,
  timeSchema,
} from "./mapping.ts";
import type { Payload } from "./payload.ts";
import { compileFilter, isTopicFilter, type TopicMatcher, topicVariables } from "./topic.ts";

export type PayloadFormat = "auto" | "json" | "text" | "bytes";

export interface Subscription {
  readonly filter: string;
  readonly qos: 0 | 1 | 2;
  readonly format: PayloadFormat;
  /** What to do with a retained message: it may have been published long ago, so its time of arrival says little. */
  readonly retained: "accept" | "ignore";
  readonly readings?: readonly ReadingRule[] | undefined;
  readonly time?: TimeRule | undefined;
}

/** Compiled mappers of topics without rules, per subscription: each is a closure of a few hundred bytes. */
const DEFAULT_MAPPERS_MAX = 512;

export const subscriptionSchema: ZodType<Subscription> = z.strictObject({
  filter: z
    .string()
    .refine(isTopicFilter, { error: "expected an MQTT topic filter such as home/+/temperature or drone/#" })
    .describe("Topic filter: + stands for one level, # at the end for all that follow."),
  qos: z
    .union([z.literal(0), z.literal(1), z.literal(2)])
    .default(1)
    .describe(
      "Quality of service asked for. With 1 and 2 a message is acknowledged only once it is on the disk.",
    ),
  format: z
    .enum(["auto", "json", "text", "bytes"])
    .default("auto")
    .describe("How a payload is read. auto: JSON where it parses, else text, else bytes."),
  retained: z
    .enum(["accept", "ignore"])
    .default("accept")
    .describe("Whether messages that the broker kept for new subscribers become readings."),
  readings: readingsSchema.describe(
    "Which values become readings; names may use {topic[0]}, {topic[1]}, ... Left out: every value, named after the topic.",
  ),
  time: timeSchema,
});

export interface Message {
  readonly topic: string;
  readonly payload: Uint8Array;
  readonly retain: boolean;
}

/** Readings and problems, "retained" when the subscription leaves retained messages alone, or null when no subscription matches. */
export type TopicMapper = (message: Message, monoMs: number) => Mapped | "retained" | null;

const utf8 = new TextDecoder("utf-8", { fatal: true });

const textOf = (bytes: Uint8Array): string | null => {
  try {
    return utf8.decode(bytes);
  } catch {
    return null;
  }
};

const parseJson = (text: string | null): Payload | null => {
  if (text === null) return null;
  try {
    return { kind: "tree", value: JSON.parse(text) };
  } catch {
    return null;
  }
};

/** Reads a payload, or says in a sentence why it is not what the format promises. */
const readPayload = (bytes: Uint8Array, format: PayloadFormat): Payload | string => {
  if (format === "bytes") return { kind: "bytes", bytes };
  const text = textOf(bytes);
  const json = format === "text" ? null : parseJson(text);
  if (json !== null) return json;
  if (format === "json") return `expected JSON, found ${bytes.length} bytes that are none`;
  if (text !== null) return { kind: "text", text };
  return format === "text"
    ? `expected UTF-8 text, found ${bytes.length} bytes that are none`
    : { kind: "bytes", bytes };
};

const malformed = (message: string): Mapped => ({
  readings: [],
  problems: [{ counter: "malformed", message }],
});

// Without rules a topic names its own readings. Topics are many and unknown beforehand, so their mappers are made when first seen, and forgotten all at once when too many.
const createDefaultMappers = (subscription: Subscription): ((topic: string) => Mapper | null) => {
  const mappers = new Map<string, Mapper>();
  return (topic) => {
    const known = mappers.get(topic);
    if (known !== undefined) return known;
    const prefix = nameFrom(topic).replace(/^[^A-Za-z0-9]+/, "");
    if (!isReadingName(prefix)) return null;
    const mapper = compileMapping({ time: subscription.time }, prefix);
    if (mappers.size >= DEFAULT_MAPPERS_MAX) mappers.clear();
    mappers.set(topic, mapper);
    return mapper;
  };
};

interface Compiled {
  readonly subscription: Subscription;
  readonly matches: TopicMatcher;
  readonly mapperFor: (topic: string) => Mapper | null;
}

const compile = (subscription: Subscription): Compiled => {
  const fixed =
    subscription.readings === undefined
      ? null
      : compileMapping({ readings: subscription.readings, time: subscription.time }, "value");
  return {
    subscription,
    matches: compileFilter(subscription.filter),
    mapperFor: fixed === null ? createDefaultMappers(subscription) : () => fixed,
  };
};

/** Compiles the subscriptions once; the mapper is then called for each message and never throws. */
export const compileTopicMapping = (subscriptions: readonly Subscription[]): TopicMapper => {
  const compiled = subscriptions.map(compile);
  return ({ topic, payload, retain }, monoMs) => {
    const found = compiled.find(({ matches }) => matches(topic));
    if (found === undefined) return null;
    if (retain && found.subscription.retained === "ignore") return "retained";
    const read = readPayload(payload, found.subscription.format);
    if (typeof read === "string") return malformed(read);
    const mapper = found.mapperFor(topic);
    if (mapper === null)
      return malformed("the topic cannot name a reading: give the subscription rules under readings");
    return mapper(read, { monoMs, variables: topicVariables(topic) });
  };
};
