// What becomes of one message of a broker: mapped to readings, handed to `emit`, and only then released for its acknowledgement.
// Shared by the mqtt driver (messages from somebody else's broker) and the broker driver (messages of our own clients).
//
// The receipt. A redelivery after a crash carries DUP (MQTT 3.1.1 section 3.3.1.1) and the packet identifier, topic and payload of its first
// delivery, so these three name it. mqtt/README.md says why that is enough, and where it is not.
import { createHash } from "node:crypto";
import { createDiscardReporter, type Discard } from "./discards.ts";
import { type DriverContext, DriverError, type EmitResult, type Receipt } from "./driver.ts";
import type { TopicMapper } from "./topic-mapping.ts";

export interface Delivery {
  /** Who counts the packet identifiers: the client, for a broker; empty where there is only one. */
  readonly session: string;
  readonly topic: string;
  readonly payload: Uint8Array;
  readonly qos: 0 | 1 | 2;
  readonly retain: boolean;
  readonly dup: boolean;
  readonly packetId: number | null;
}

/** 132 bits of SHA-256: enough that two messages never share a key by accident. */
const HASH_CHARS = 22;

export const receiptOf = ({ session, packetId, topic, payload, dup }: Delivery): Receipt | null => {
  if (packetId === null) return null;
  const hash = createHash("sha256").update(`${session}\0${topic}\0`).update(payload).digest("base64url");
  return { key: `${packetId}:${hash.slice(0, HASH_CHARS)}`, maybeRepeated: dup };
};

/** Resolves when the message may be acknowledged. Rejects when `emit` broke on a message that can be sent again: then it must not be. */
export type Receiver = (delivery: Delivery) => Promise<void>;

const LEVELS: Readonly<Record<string, Discard["level"]>> = { unmatched: "debug" };

// A refusal is final: the agent will not take these readings, so nobody must offer them for ever.
const account = (context: DriverContext, result: EmitResult): void => {
  if (result.outcome === "repeated") context.count("repeated");
  if (result.outcome !== "refused") return;
  context.count("refused");
  context.log.warn(
    { reason: result.reason },
    "a message's readings were refused; it is acknowledged and dropped",
  );
};

// A message of QoS 0 is lost and counted; one of QoS 1 or 2 is left unacknowledged, and is offered again on the next connection.
const broken = (context: DriverContext, { qos }: Delivery, cause: unknown): void => {
  if (qos > 0)
    throw new DriverError(
      "UNAVAILABLE",
      "a message could not be stored; it was not acknowledged and will come again",
      {
        cause,
      },
    );
  context.count("refused");
  context.log.error({ error: cause }, "a message of QoS 0 could not be stored and is lost");
};

export const createReceiver = (context: DriverContext, map: TopicMapper): Receiver => {
  const report = createDiscardReporter(context);
  return async (delivery) => {
    if (delivery.retain) context.count("retained");
    const mapped = map(delivery, context.clock.monoMs());
    if (mapped === null || mapped === "retained") return;
    for (const { counter, message } of mapped.problems)
      report({
        counter,
        message: `${delivery.topic}: ${message}`,
        sample: delivery.payload,
        level: LEVELS[counter] ?? "warn",
      });
    const { readings } = mapped;
    if (readings.length === 0) return;
    const receipt = receiptOf(delivery);
    try {
      account(context, await (receipt === null ? context.emit(readings) : context.emit(readings, receipt)));
    } catch (cause) {
      broken(context, delivery, cause);
    }
  };
};
