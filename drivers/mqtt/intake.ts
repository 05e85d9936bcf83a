// What comes in on one connection: each PUBLISH is handed on at once, held until its readings are durable, and answered in order.
//
// mqtt.js sends PUBACK itself and handles the next packet only after that (`handleMessage`), so messages would become durable one by one, a disk sync
// each, with PINGRESP waiting behind them; for QoS 2 it answers PUBREC from memory. Here an incoming PUBLISH is shown to the library as QoS 0, and
// PUBACK or PUBREC goes out through acks.ts once `deliver` has resolved. PUBREL needs nothing of us: the message is durable since PUBREC, and mqtt.js
// answers an unknown identifier with PUBCOMP, as it must.
import type { IPublishPacket, MqttClient, Packet } from "mqtt";
import type { Timers } from "../driver.ts";
import type { PacketFilter } from "../packet-filter.ts";
import type { Delivery } from "../topic-receiver.ts";
import { createAckQueue } from "./acks.ts";
import { DELIVERIES_HELD_MAX } from "./limits.ts";

export interface IntakeEvents {
  /** A message was too large, and was dropped (acknowledged, if the broker waits for that). */
  oversize(topic: string): void;
  /** A message. Resolves when it may be acknowledged; a rejection closes the connection without an acknowledgement. */
  deliver(delivery: Delivery): Promise<void>;
}

const deliveryOf = (packet: IPublishPacket, qos: 0 | 1 | 2): Delivery => ({
  session: "",
  topic: packet.topic,
  payload: typeof packet.payload === "string" ? Buffer.from(packet.payload) : packet.payload,
  qos,
  retain: packet.retain,
  dup: packet.dup,
  packetId: qos === 0 ? null : (packet.messageId ?? null),
});

export interface IntakeParts {
  readonly client: MqttClient;
  readonly filter: PacketFilter;
  readonly timers: Timers;
  readonly events: IntakeEvents;
  /** Ends the connection. */
  readonly fail: (reason: unknown) => void;
}

export interface Intake {
  /** Resolves when nothing is held any more, or after the limit; takes nothing new from now on. */
  drain(limitMs: number): Promise<void>;
}

// The pump of mqtt.js stops while the callback of `handleMessage` is kept: then the socket fills and the broker waits. That is the bound for QoS 0.
export const attachIntake = ({ client, filter, timers, events, fail }: IntakeParts): Intake => {
  const acks = createAckQueue((bytes) => void client.stream.write(bytes));
  const qosOf = new WeakMap<Packet, 1 | 2>();
  const blocked: (() => void)[] = [];
  const idle: (() => void)[] = [];
  let held = 0;
  let taking = true;

  const landed = (): void => {
    held -= 1;
    if (held < DELIVERIES_HELD_MAX) blocked.shift()?.();
    if (held === 0) for (const done of idle.splice(0)) done();
  };
  const take = (packet: IPublishPacket): void => {
    const qos = qosOf.get(packet) ?? 0;
    const delivery = deliveryOf(packet, qos);
    const acknowledge =
      qos === 0 || delivery.packetId === null ? () => undefined : acks.hold(qos, delivery.packetId);
    if (delivery.packetId !== null && filter.wasCut(delivery.packetId)) {
      events.oversize(delivery.topic);
      acknowledge();
      return;
    }
    held += 1;
    events.deliver(delivery).then(acknowledge, fail).finally(landed);
  };
  client.on("packetreceive", (packet) => {
    if (packet.cmd !== "publish" || packet.qos === 0) return;
    qosOf.set(packet, packet.qos);
    packet.qos = 0;
  });
  client.handleMessage = (packet, next) => {
    if (taking) take(packet);
    if (held < DELIVERIES_HELD_MAX) next();
    else blocked.push(next);
  };
  const drain = async (limitMs: number): Promise<void> => {
    taking = false;
    if (held === 0) return;
    await new Promise<void>((resolve) => {
      const cancel = timers.after(limitMs, resolve);
      idle.push(() => {
        cancel();
        // The acknowledgement leaves in a microtask of its own (acks.ts).
        setImmediate(resolve);
      });
    });
  };
  return { drain };
};
