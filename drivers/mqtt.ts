// The mqtt driver: a client of somebody else's broker (MQTT 3.1.1 and 5). Messages become readings, `write` publishes.
// PUBACK goes out once the readings are durable (mqtt/intake.ts says how), so what the broker considers delivered survives a power cut.
//
//   home: { type: mqtt, url: mqtt://192.168.7.2, client_id: attic, subscriptions: [{ filter: "home/+/temperature" }] }
//
//   reconnect.ts --open--> link.ts --messages--> topic-receiver.ts --readings--> emit
//                          publisher.ts <-- write
import { readFile } from "node:fs/promises";
import { createDiscardReporter } from "./discards.ts";
import {
  type Driver,
  type DriverContext,
  DriverError,
  type DriverKind,
  type WriteRequest,
} from "./driver.ts";
import { CONNECT_TIMEOUT_MS, PACKET_BYTES_MAX, STOP_CLOSE_MS, STOP_DRAIN_MS } from "./mqtt/limits.ts";
import { type Link, type LinkSettings, openLink } from "./mqtt/link.ts";
import { type MqttOptions, mqttSchema, parseEndpoint } from "./mqtt/options.ts";
import { createPublisher } from "./mqtt/publisher.ts";
import { type Connection, createReconnector } from "./reconnect.ts";
import { revealed } from "./secret.ts";
import { isTopic } from "./topic.ts";
import { compileTopicMapping } from "./topic-mapping.ts";
import { createReceiver, type Receiver } from "./topic-receiver.ts";

/** Everything a connection needs that does not change; the library and the certificates are there once the driver was started. */
type Settings = Omit<LinkSettings, "library" | "certificates">;
type Loaded = Pick<LinkSettings, "library" | "certificates">;

const readCertificate = async (what: string, path: string | undefined): Promise<Buffer | undefined> => {
  if (path === undefined) return undefined;
  return readFile(path).catch((cause: unknown) => {
    throw new DriverError(
      "CONFIG",
      `tls.${what}: cannot read ${path}: give a PEM file that the agent may read`,
      { cause },
    );
  });
};

const readCertificates = async ({ tls }: MqttOptions): Promise<LinkSettings["certificates"]> => {
  const [ca, cert, key] = await Promise.all([
    readCertificate("ca", tls?.ca),
    readCertificate("cert", tls?.cert),
    readCertificate("key", tls?.key),
  ]);
  return { ...(ca ? { ca } : {}), ...(cert ? { cert } : {}), ...(key ? { key } : {}) };
};

const settingsOf = (name: string, options: MqttOptions, context: DriverContext): Settings => {
  const endpoint = parseEndpoint(options.url);
  if (endpoint === null)
    throw new DriverError("CONFIG", "url: expected mqtt://host:port or mqtts://host:port");
  return {
    endpoint,
    options,
    // A clean session has no identity to keep, so a random one cannot collide with that of another device.
    clientId: options.client_id ?? `petrel-${Buffer.from(context.random(8)).toString("hex")}`,
    password: revealed(options.password, `drivers.${name}.password`),
    timers: context.timers,
  };
};

const load = async (options: MqttOptions): Promise<Loaded> => {
  const [library, certificates] = await Promise.all([import("mqtt"), readCertificates(options)]);
  // A CommonJS package: Node finds its names by itself, in a bundle they are on `default` only.
  const named: Partial<typeof library> = library;
  return { library: named.MqttClient === undefined ? library.default : library, certificates };
};

const checkWrite = ({ target, payload }: WriteRequest): void => {
  if (!isTopic(target))
    throw new DriverError(
      "MALFORMED",
      `"${target.slice(0, 80)}" is no topic: expected one without + and #, such as home/relay/set`,
    );
  if (payload.length > PACKET_BYTES_MAX)
    throw new DriverError(
      "MALFORMED",
      `the payload has ${payload.length} bytes: at most ${PACKET_BYTES_MAX} can be published`,
    );
};

/** What the driver wants to know of its connections. */
interface Watch {
  readonly receive: Receiver;
  oversize(topic: string): void;
  up(link: Link): void;
  down(link: Link, reason: DriverError): void;
}

class Broker implements Connection {
  readonly #settings: Settings;
  readonly #watch: Watch;
  #loaded: Loaded | null = null;
  #link: Link | null = null;
  #up = false;
  #subscribed = false;

  constructor(settings: Settings, watch: Watch) {
    this.#settings = settings;
    this.#watch = watch;
  }

  async load(): Promise<void> {
    this.#loaded = await load(this.#settings.options);
  }

  async open(): Promise<void> {
    const loaded = this.#loaded ?? (await load(this.#settings.options));
    await new Promise<void>((resolve, reject) => {
      const link = openLink(
        { ...this.#settings, ...loaded },
        {
          deliver: this.#watch.receive,
          oversize: this.#watch.oversize,
          connected: (resumed) => void this.#subscribe(link, resumed).then(resolve, link.fail),
          closed: (reason) => {
            // After the promise is settled this changes nothing.
            reject(reason ?? new DriverError("CLOSED", `${this.#settings.endpoint.shown}: closed`));
            if (this.#up && reason !== null) this.#watch.down(link, reason);
          },
        },
      );
      this.#link = link;
    });
    this.#up = true;
    if (this.#link !== null) this.#watch.up(this.#link);
  }

  async close(): Promise<void> {
    const [link, up] = [this.#link, this.#up];
    this.#link = null;
    this.#up = false;
    if (link === null) return;
    if (up) await link.drain(STOP_DRAIN_MS);
    await link.close(up ? STOP_CLOSE_MS : 0);
  }

  async #subscribe(link: Link, resumed: boolean): Promise<void> {
    const { endpoint, options, timers } = this.#settings;
    // 3.1.1 sends all retained messages again at every SUBSCRIBE, so a session that has the filters is left alone.
    if (resumed && this.#subscribed && options.version === "3.1.1") return;
    const cancel = timers.after(CONNECT_TIMEOUT_MS, () =>
      link.fail(new DriverError("TIMEOUT", `${endpoint.shown}: the broker does not answer SUBSCRIBE`)),
    );
    await link.subscribe().finally(cancel);
    this.#subscribed = true;
  }
}

const createMqtt = (name: string, options: MqttOptions, context: DriverContext): Driver => {
  const settings = settingsOf(name, options, context);
  const publisher = createPublisher(settings.endpoint.shown, context.timers);
  const report = createDiscardReporter(context);
  const broker = new Broker(settings, {
    oversize: (topic) =>
      report({
        counter: "oversize",
        message: `${topic}: a message of more than ${PACKET_BYTES_MAX} bytes was dropped`,
        level: "warn",
      }),
    receive: createReceiver(context, compileTopicMapping(options.subscriptions)),
    up: ({ client }) => publisher.attach(client),
    down: ({ client }, reason) => {
      publisher.detach(client);
      keeper.lost(reason);
    },
  });
  const keeper = createReconnector(settings.endpoint.shown, broker, context);
  return {
    async start() {
      await broker.load();
      keeper.start();
    },
    async stop() {
      publisher.close();
      await keeper.stop();
    },
    async write(request) {
      checkWrite(request);
      await publisher.publish(request);
    },
  };
};

export const mqtt: DriverKind<MqttOptions> = { kind: "mqtt", schema: mqttSchema, create: createMqtt };
