// The outside publisher: numbers its values, QoS 1, persistent session, and remembers which ones the broker acknowledged.
import mqtt from "mqtt";

export interface Publisher {
  readonly acknowledged: readonly number[];
  /** How many were given to the broker so far. */
  published(): number;
  /** Publishes no more; resolves once everything was acknowledged. */
  finish(): Promise<void>;
  dispose(): Promise<void>;
}

export const TOPIC = "sensors/number";

export const startPublisher = async (port: number, everyMs: number): Promise<Publisher> => {
  const client = await mqtt.connectAsync(`mqtt://127.0.0.1:${port}`, { clientId: "publisher", clean: false });
  const acknowledged: number[] = [];
  let next = 0;
  let done = (): void => undefined;
  const timer = setInterval(() => {
    const number = next++;
    client.publish(TOPIC, String(number), { qos: 1 }, (error) => {
      if (!error) acknowledged.push(number);
      if (acknowledged.length === next) done();
    });
  }, everyMs);
  return {
    acknowledged,
    published: () => next,
    finish: () =>
      new Promise((resolve) => {
        clearInterval(timer);
        done = resolve;
        if (acknowledged.length === next) resolve();
      }),
    dispose: async () => {
      clearInterval(timer);
      await client.endAsync(true);
    },
  };
};
