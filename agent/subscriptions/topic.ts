// From a reading to the MQTT topic that it is published to. What a room says is put in as data: it cannot name a wildcard, a level of its own for the
// device, or the broker's own topics ([MQTT-3.3.2-2], [MQTT-4.7.2-1]).
import type { ReceivedReading } from "#agent/telemetry/received.ts";

/** [MQTT-1.5.3]: a topic's length is told in two bytes. */
const TOPIC_BYTES_MAX = 65_535;

const harmless = (text: string): string => text.replaceAll(/[+#\0]/g, "_");

/** Null where the topic would be longer than MQTT can say. */
export const topicOf = (template: string, device: string, { name }: ReceivedReading): string | null => {
  const values: Readonly<Record<string, string>> = {
    device: harmless(device).replaceAll("/", "_"),
    name: harmless(name),
  };
  const topic = template
    .replaceAll(/\{(device|name)\}/g, (_all, key: string) => values[key] ?? "")
    .replace(/^\$/, "_");
  return topic === "" || Buffer.byteLength(topic, "utf8") > TOPIC_BYTES_MAX ? null : topic;
};
