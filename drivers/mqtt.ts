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
import { createPublisher, type Publisher } from "./mqtt/publisher.ts";
import { createReceiver, type Receiver } from "./mqtt/receiver.ts";
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

interface Reporter {
  trouble(error: DriverError): void;
  clear(): void;
}

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

interface Run {
  readonly endpoint: Endpoint;
  readonly options: MqttOptions;
  readonly context: DriverContext;
  readonly clientId: string;
  readonly password: string | undefined;
  readonly reporter: Reporter;
  readonly publisher: Publisher;
  readonly receive: Receiver;
  phase: Phase;
  attempt: number;
  subscribed: boolean;
}

const retry = (run: Run, loaded: Loaded): void => {
  const { context } = run;
  const delayMs = backoffMs(run.attempt, jitterOf(context.random));
  run.attempt += 1;
  run.phase = { is: "waiting", cancel: context.timers.after(delayMs, () => connect(run, loaded)) };
};

const subscribe = async (run: Run, link: Link, resumed: boolean): Promise<void> => {
  // 3.1.1 sends all retained messages again at every SUBSCRIBE, so a session that has the filters is left alone.
  if (resumed && run.subscribed && run.options.version === "3.1.1") return;
  const cancel = run.context.timers.after(CONNECT_TIMEOUT_MS, () =>
    link.fail(new DriverError("TIMEOUT", `${run.endpoint.shown}: the broker does not answer SUBSCRIBE`)),
  );
  await link.subscribe().finally(cancel);
  run.subscribed = true;
};

const up = (run: Run, link: Link): void => {
  const { context, phase } = run;
  if (phase.is !== "connecting" || phase.link !== link) return;
  run.phase = { is: "up", link, sinceMs: context.clock.monoMs() };
  run.publisher.attach(link.client);
  run.reporter.clear();
  context.state("up");
  context.log.info({ broker: run.endpoint.shown, clientId: run.clientId }, "connected to the broker");
};

const ended = (run: Run, link: Link, reason: DriverError | null, loaded: Loaded): void => {
  const { context, phase } = run;
  run.publisher.detach(link.client);
  if (!("link" in phase) || phase.link !== link) return;
  // A broker that accepts and throws out again (two clients of one name) must not be met with a storm of connections.
  if (phase.is === "up" && context.clock.monoMs() - phase.sinceMs >= STEADY_MS) run.attempt = 0;
  if (phase.is === "up") context.count("reconnects");
  if (reason !== null) run.reporter.trouble(reason);
  retry(run, loaded);
};

const connect = (run: Run, loaded: Loaded): void => {
  const { endpoint, options, clientId, password, context } = run;
  const link = openLink(
    { ...loaded, endpoint, options, clientId, password, timers: context.timers },
    {
      connected: (resumed) => void subscribe(run, link, resumed).then(() => up(run, link), link.fail),
      deliver: run.receive,
      closed: (reason) => ended(run, link, reason, loaded),
    },
  );
  run.phase = { is: "connecting", link };
};

const start = async (run: Run): Promise<void> => {
  run.phase = { is: "starting" };
  run.context.state("starting");
  const [library, certificates] = await Promise.all([loadLibrary(), readCertificates(run.options)]);
  if (run.phase.is === "starting") connect(run, { library, certificates });
};

const stop = async (run: Run): Promise<void> => {
  const last = run.phase;
  run.phase = { is: "stopped" };
  if (last.is === "waiting") last.cancel();
  if (last.is === "connecting") await last.link.close(0);
  if (last.is === "up") {
    await last.link.drain(STOP_DRAIN_MS);
    await last.link.close(STOP_CLOSE_MS);
  }
  run.context.state("stopped");
};

const createMqtt = (name: string, options: MqttOptions, context: DriverContext): Driver => {
  const endpoint = endpointOf(options);
  const map = compileTopicMapping(options.subscriptions);
  const run: Run = {
    endpoint,
    options,
    context,
    clientId: clientIdOf(options, context),
    password: revealed(options.password, `drivers.${name}.password`),
    reporter: createReporter(context),
    publisher: createPublisher(endpoint.shown, context.timers),
    receive: createReceiver({ context, map, sample: createSampler(context, name) }),
    phase: { is: "stopped" },
    attempt: 0,
    subscribed: false,
  };
  return {
    start: () => start(run),
    stop: () => stop(run),
    async write(request) {
      checkWrite(request);
      await run.publisher.publish(request);
    },
  };
};

export const mqtt: DriverKind<MqttOptions> = { kind: "mqtt", schema: mqttSchema, create: createMqtt };
