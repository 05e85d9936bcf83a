// The mqtt driver: a client of somebody else's broker (MQTT 3.1.1 and 5). Messages become readings, `write` publishes.
// PUBACK goes out once the readings are durable (drivers/mqtt/link.ts says how), so what the broker considers delivered survives a power cut.
//
//   stopped --start--> connecting --CONNACK, SUBACK--> up --lost--> waiting --back-off--> connecting
import { readFile } from "node:fs/promises";
import { backoffMs, jitterOf, STEADY_MS } from "./backoff.ts";
import {
  type Driver,
  type DriverContext,
  DriverError,
  type DriverKind,
  type WriteRequest,
} from "./driver.ts";
import { CONNECT_TIMEOUT_MS, PACKET_BYTES_MAX, STOP_CLOSE_MS, STOP_DRAIN_MS } from "./mqtt/limits.ts";
import { type Certificates, type Link, type MqttLibrary, openLink } from "./mqtt/link.ts";
import { type Endpoint, type MqttOptions, mqttSchema, parseEndpoint } from "./mqtt/options.ts";
import { createPublisher } from "./mqtt/publisher.ts";
import { createReceiver } from "./mqtt/receiver.ts";
import { createSampler } from "./sampler.ts";
import { revealed } from "./secret.ts";
import { isTopic } from "./topic.ts";
import { compileTopicMapping } from "./topic-mapping.ts";

type Phase =
  | { readonly is: "stopped" }
  | { readonly is: "starting" }
  | { readonly is: "waiting"; readonly cancel: () => void }
  | { readonly is: "connecting"; readonly link: Link }
  | { readonly is: "up"; readonly link: Link; readonly sinceMs: number };

interface Loaded {
  readonly library: MqttLibrary;
  readonly certificates: Certificates;
}

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

const readCertificates = async ({ tls }: MqttOptions): Promise<Certificates> => {
  const [ca, cert, key] = await Promise.all([
    readCertificate("ca", tls?.ca),
    readCertificate("cert", tls?.cert),
    readCertificate("key", tls?.key),
  ]);
  return { ...(ca ? { ca } : {}), ...(cert ? { cert } : {}), ...(key ? { key } : {}) };
};

const endpointOf = (options: MqttOptions): Endpoint => {
  const endpoint = parseEndpoint(options.url);
  if (endpoint === null)
    throw new DriverError("CONFIG", "url: expected mqtt://host:port or mqtts://host:port");
  return endpoint;
};

const loadLibrary = async (): Promise<MqttLibrary> => {
  const library = await import("mqtt");
  return library;
};

// A clean session has no identity to keep, so a random one cannot collide with that of another device.
const clientIdOf = (options: MqttOptions, context: DriverContext): string =>
  options.client_id ?? `petrel-${Buffer.from(context.random(8)).toString("hex")}`;

/** Says a trouble once: the operator reads one clear line, not one per attempt. */
const createReporter = (
  context: DriverContext,
): { trouble: (error: DriverError) => void; clear: () => void } => {
  let shown: string | null = null;
  return {
    trouble: (error) => {
      context.state("down", error.message);
      const level = error.message === shown ? "debug" : "warn";
      context.log[level]({ code: error.code }, error.message);
      shown = error.message;
    },
    clear: () => {
      shown = null;
    },
  };
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

const createMqtt = (name: string, options: MqttOptions, context: DriverContext): Driver => {
  const endpoint = endpointOf(options);
  const clientId = clientIdOf(options, context);
  const password = revealed(options.password, `drivers.${name}.password`);
  const reporter = createReporter(context);
  const publisher = createPublisher(endpoint.shown, context.timers);
  const receive = createReceiver({
    context,
    map: compileTopicMapping(options.subscriptions),
    sample: createSampler(context, name),
  });
  let phase: Phase = { is: "stopped" };
  let attempt = 0;
  let subscribed = false;
  // A function, because the phase may have changed across an await.
  const stillStarting = (): boolean => phase.is === "starting";

  const retry = (open: () => void): void => {
    const delayMs = backoffMs(attempt, jitterOf(context.random));
    attempt += 1;
    phase = { is: "waiting", cancel: context.timers.after(delayMs, open) };
  };

  const subscribe = async (link: Link, resumed: boolean): Promise<void> => {
    // 3.1.1 sends all retained messages again at every SUBSCRIBE, so a session that has the filters is left alone.
    if (resumed && subscribed && options.version === "3.1.1") return;
    const cancel = context.timers.after(CONNECT_TIMEOUT_MS, () =>
      link.fail(new DriverError("TIMEOUT", `${endpoint.shown}: the broker does not answer SUBSCRIBE`)),
    );
    await link.subscribe().finally(cancel);
    subscribed = true;
  };

  const up = (link: Link): void => {
    if (phase.is !== "connecting" || phase.link !== link) return;
    phase = { is: "up", link, sinceMs: context.clock.monoMs() };
    publisher.attach(link.client);
    reporter.clear();
    context.state("up");
    context.log.info({ broker: endpoint.shown, clientId }, "connected to the broker");
  };

  const ended = (link: Link, reason: DriverError | null, loaded: Loaded): void => {
    publisher.detach(link.client);
    if (!("link" in phase) || phase.link !== link) return;
    // A broker that accepts and throws out again (two clients of one name) must not be met with a storm of connections.
    if (phase.is === "up" && context.clock.monoMs() - phase.sinceMs >= STEADY_MS) attempt = 0;
    if (phase.is === "up") context.count("reconnects");
    if (reason !== null) reporter.trouble(reason);
    retry(() => connect(loaded));
  };

  const connect = (loaded: Loaded): void => {
    const link = openLink(
      { ...loaded, endpoint, options, clientId, password, timers: context.timers },
      {
        connected: (resumed) => void subscribe(link, resumed).then(() => up(link), link.fail),
        deliver: receive,
        closed: (reason) => ended(link, reason, loaded),
      },
    );
    phase = { is: "connecting", link };
  };

  return {
    async start() {
      phase = { is: "starting" };
      context.state("starting");
      const [library, certificates] = await Promise.all([loadLibrary(), readCertificates(options)]);
      if (stillStarting()) connect({ library, certificates });
    },
    async stop() {
      const last = phase;
      phase = { is: "stopped" };
      if (last.is === "waiting") last.cancel();
      if (last.is === "connecting") await last.link.close(0);
      if (last.is === "up") {
        await last.link.drain(STOP_DRAIN_MS);
        await last.link.close(STOP_CLOSE_MS);
      }
      context.state("stopped");
    },
    async write(request) {
      checkWrite(request);
      await publisher.publish(request);
    },
  };
};

export const mqtt: DriverKind<MqttOptions> = { kind: "mqtt", schema: mqttSchema, create: createMqtt };
