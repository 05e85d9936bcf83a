// Publishing: what `write` does. A message is handed to the connection that is up, or refused at once: there is no queue here, the queue is the agent's
// outbox. (mqtt.js keeps unsent messages in memory, without bound, and re-sends them at every reconnect; see its issues 301, 343, 398, 607.)
//
// QoS 0 resolves when the bytes are handed to the system; 1 at PUBACK; 2 at PUBCOMP. If the connection goes first, nobody can know whether the message
// arrived, and the error says so.
import type { IPublishPacket, MqttClient } from "mqtt";
import { DriverError, type Timers, type WriteRequest } from "../driver.ts";
import { connectionError } from "./errors.ts";
import { WRITE_TIMEOUT_MS, WRITES_IN_FLIGHT_MAX } from "./limits.ts";

export interface Publisher {
  attach(client: MqttClient): void;
  /** The connection is gone: what waits for its acknowledgement is rejected. */
  detach(client: MqttClient): void;
  /** Nothing is published any more. */
  close(): void;
  publish(request: WriteRequest): Promise<void>;
}

const publishOn = (
  client: MqttClient,
  { target, payload, qos = 0, retain = false }: WriteRequest,
): Promise<void> =>
  new Promise((resolve, reject) => {
    const options: { qos: 0 | 1 | 2; retain: boolean } & Partial<IPublishPacket> = { qos, retain };
    client.publish(target, Buffer.from(payload), options, (error) => (error ? reject(error) : resolve()));
  });

export const createPublisher = (shown: string, timers: Timers): Publisher => {
  const waiting = new Set<(error: DriverError) => void>();
  let current: MqttClient | null = null;

  const interrupted = (reject: (error: DriverError) => void): (() => void) => {
    const cancel = timers.after(WRITE_TIMEOUT_MS, () =>
      reject(
        new DriverError(
          "TIMEOUT",
          `${shown}: no acknowledgement within ${WRITE_TIMEOUT_MS / 1000} s; the message may or may not have arrived`,
        ),
      ),
    );
    waiting.add(reject);
    return () => {
      cancel();
      waiting.delete(reject);
    };
  };

  const publish = async (request: WriteRequest): Promise<void> => {
    const client = current;
    if (client === null)
      throw new DriverError("UNAVAILABLE", `${shown}: not connected; the message was not sent`);
    if (waiting.size >= WRITES_IN_FLIGHT_MAX)
      throw new DriverError(
        "BUSY",
        `${shown}: ${waiting.size} messages wait for their acknowledgement already; try again later`,
      );
    await new Promise<void>((resolve, reject) => {
      const done = interrupted(reject);
      void publishOn(client, request)
        .then(resolve, (error: unknown) => reject(connectionError(shown, error)))
        .finally(done);
    });
  };

  const abandon = (): void => {
    current = null;
    const lost = new DriverError(
      "UNAVAILABLE",
      `${shown}: the connection was lost before the broker acknowledged; the message may or may not have arrived`,
    );
    for (const reject of [...waiting]) reject(lost);
  };

  return {
    publish,
    close: abandon,
    attach: (client) => {
      current = client;
    },
    detach: (client) => {
      if (current === client) abandon();
    },
  };
};
