// What happens to a client's PUBLISH before aedes acknowledges it. aedes answers QoS 1 with PUBACK right after `authorizePublish` has called back and
// before the message reaches anybody (so its `published` hook is too late); QoS 2 with PUBREC after that. So the readings are made durable in
// `authorizePublish`, which may be asynchronous; afterwards the message goes on to the other clients.
import type { Client, PublishPacket } from "aedes";
import type { DriverContext, Timers } from "../driver.ts";
import type { Delivery, Receiver } from "../topic-receiver.ts";
import { DELIVERIES_HELD_MAX, RETAINED_TOPICS_MAX } from "./limits.ts";
import { createLane, type Lane } from "./order.ts";

export interface Intake {
  /** The hook `authorizePublish`, once the client was found to be allowed to publish this. */
  take(client: Client | null, packet: PublishPacket, pass: (error?: Error | null) => void): void;
  /** Takes nothing new; resolves when what was taken is passed on, or after `limitMs`. */
  drain(limitMs: number): Promise<void>;
}

const bytesOf = (payload: string | Buffer): Uint8Array =>
  typeof payload === "string" ? Buffer.from(payload) : payload;

const deliveryOf = (client: Client | null, packet: PublishPacket): Delivery => ({
  session: client?.id ?? "",
  topic: packet.topic,
  payload: bytesOf(packet.payload),
  qos: packet.qos,
  // Here the flag says that the client wants the message kept, not that it is old: it was published just now.
  retain: false,
  dup: packet.dup,
  packetId: packet.qos === 0 ? null : (packet.messageId ?? null),
});

/** Keeps the number of retained topics bounded: a message beyond it is passed on, but not kept. */
const createRetainedBound = (context: DriverContext): ((packet: PublishPacket) => void) => {
  const topics = new Set<string>();
  return (packet) => {
    if (!packet.retain) return;
    if (packet.payload.length === 0) topics.delete(packet.topic);
    else if (topics.size < RETAINED_TOPICS_MAX || topics.has(packet.topic)) topics.add(packet.topic);
    else {
      packet.retain = false;
      context.count("not_retained");
    }
  };
};

export const createIntake = (receive: Receiver, context: DriverContext): Intake => {
  const timers: Timers = context.timers;
  const lanes = new WeakMap<Client, Lane>();
  const boundRetained = createRetainedBound(context);
  const blocked: (() => void)[] = [];
  const idle: (() => void)[] = [];
  let held = 0;
  let draining = false;

  const laneOf = (client: Client | null): Lane => {
    const known = client === null ? undefined : lanes.get(client);
    const lane = known ?? createLane();
    if (client !== null) lanes.set(client, lane);
    return lane;
  };
  const landed = (): void => {
    held -= 1;
    blocked.shift()?.();
    if (held === 0) for (const done of idle.splice(0)) done();
  };
  const begin = (delivery: Delivery, done: (error: Error | null) => void): void => {
    held += 1;
    void receive(delivery)
      .then(
        () => done(null),
        (error: unknown) => done(error instanceof Error ? error : new Error(String(error))),
      )
      .finally(landed);
  };
  return {
    take(client, packet, pass) {
      // Neither passed on nor acknowledged: the client keeps it and sends it again.
      if (draining) return;
      boundRetained(packet);
      const done = laneOf(client).enter(pass);
      const delivery = deliveryOf(client, packet);
      if (held < DELIVERIES_HELD_MAX) begin(delivery, done);
      else blocked.push(() => begin(delivery, done));
    },
    async drain(limitMs) {
      draining = true;
      if (held === 0) return;
      await new Promise<void>((resolve) => {
        const cancel = timers.after(limitMs, resolve);
        idle.push(() => {
          cancel();
          // The acknowledgements leave in this turn of the loop.
          setImmediate(resolve);
        });
      });
    },
  };
};
