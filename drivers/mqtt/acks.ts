// Keeps acknowledgements in the order of arrival ([MQTT-4.6.0-2], [MQTT-4.6.0-3]) although the readings behind them become durable in any order:
// an acknowledgement leaves once its own readings and those of all earlier messages are done. Those that are ready together leave in one write.
import { encodeAck } from "./wire.ts";

export interface AckQueue {
  /** Notes a message that must be answered; the call it returns says that it may be. */
  hold(qos: 1 | 2, packetId: number): () => void;
  /** Messages that were not answered yet. */
  held(): number;
}

interface Held {
  readonly bytes: Uint8Array;
  ready: boolean;
}

export const createAckQueue = (send: (bytes: Uint8Array) => void): AckQueue => {
  const queue: Held[] = [];
  let flushing = false;

  const flush = (): void => {
    flushing = false;
    const blocked = queue.findIndex(({ ready }) => !ready);
    const leaving = queue.splice(0, blocked < 0 ? queue.length : blocked);
    if (leaving.length > 0) send(Buffer.concat(leaving.map(({ bytes }) => bytes)));
  };

  const hold = (qos: 1 | 2, packetId: number): (() => void) => {
    const held: Held = { bytes: encodeAck(qos, packetId), ready: false };
    queue.push(held);
    return () => {
      if (held.ready) return;
      held.ready = true;
      if (flushing) return;
      flushing = true;
      queueMicrotask(flush);
    };
  };

  return { hold, held: () => queue.length };
};
