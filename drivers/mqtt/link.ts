// One connection to a broker, from CONNECT to the end of its socket, on top of mqtt.js. A lost connection is never repaired here: the driver opens
// another one, with its own back-off. So nothing of mqtt.js outlives a connection: no queue of unsent messages, no fixed reconnect timer.
//
// Acknowledging is taken out of the library's hands. mqtt.js sends PUBACK itself and handles the next packet only after that (`handleMessage`), so
// messages would become durable one by one, a disk sync each, with PINGRESP waiting behind them; for QoS 2 it answers PUBREC from memory. Here an
// incoming PUBLISH is shown to the library as QoS 0, and PUBACK or PUBREC goes out through acks.ts once `deliver` has resolved, in order of arrival.
// PUBREL needs nothing of us: the message is durable since PUBREC, and mqtt.js answers an unknown identifier with PUBCOMP, as it must.
import { connect as connectTcp, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import type { IPublishPacket, MqttClient, Packet } from "mqtt";
import { DriverError, type Timers } from "../driver.ts";
import { createPacketMeter } from "../packet-meter.ts";
import type { Delivery } from "../topic-receiver.ts";
import { createAckQueue } from "./acks.ts";
import { connectionError, lostConnection, refusedFilters } from "./errors.ts";
import { CONNECT_TIMEOUT_MS, DELIVERIES_HELD_MAX, PACKET_BYTES_MAX } from "./limits.ts";
import type { Endpoint, MqttOptions } from "./options.ts";

/** The library, loaded when a configuration names it. */
export type MqttLibrary = typeof import("mqtt");

export interface Certificates {
  readonly ca?: Buffer;
  readonly cert?: Buffer;
  readonly key?: Buffer;
}

export interface LinkSettings {
  readonly library: MqttLibrary;
  readonly endpoint: Endpoint;
  readonly options: MqttOptions;
  readonly certificates: Certificates;
  readonly clientId: string;
  readonly password: string | undefined;
  readonly timers: Timers;
}

export interface LinkEvents {
  /** CONNACK came: the broker accepted us; `resumed` says that it kept our session. */
  connected(resumed: boolean): void;
  /** A message. Resolves when it may be acknowledged; a rejection closes the connection without an acknowledgement. */
  deliver(delivery: Delivery): Promise<void>;
  /** The end, once. Null: it was asked for. */
  closed(reason: DriverError | null): void;
}

export interface Link {
  readonly client: MqttClient;
  /** Subscribes to all filters; rejects with a `DriverError` when one is refused. */
  subscribe(): Promise<void>;
  /** Closes at once, for a reason. */
  fail(reason: DriverError): void;
  /** Says goodbye (DISCONNECT) and closes; bounded by `limitMs`. */
  close(limitMs: number): Promise<void>;
  /** Stops taking messages; those not yet begun stay with the broker. Resolves when the begun ones are acknowledged, or after `limitMs`. */
  drain(limitMs: number): Promise<void>;
}

const openSocket = ({ endpoint, options, certificates }: LinkSettings): Socket => {
  const { host, port } = endpoint;
  if (!endpoint.secure) return connectTcp({ host, port }).setNoDelay(true);
  const name = options.tls?.servername ?? host;
  // An IP address is no server name (RFC 6066 section 3): it is checked against the certificate all the same.
  const servername = /^[\d.]+$|:/.test(name) ? undefined : name;
  return connectTls({
    host,
    port,
    ...certificates,
    ...(servername === undefined ? {} : { servername }),
  }).setNoDelay(true);
};

// The socket announces what it carries; a packet beyond the limit is cut off before mqtt.js buffers it.
const guarded = (socket: Socket, shown: string): Socket => {
  const meter = createPacketMeter(PACKET_BYTES_MAX);
  socket.on("data", (chunk: Buffer) => {
    if (meter(chunk)) return;
    socket.destroy(
      new DriverError(
        "MALFORMED",
        `${shown}: the broker sent a packet of more than ${PACKET_BYTES_MAX} bytes; messages that large are not for this driver`,
      ),
    );
  });
  return socket;
};

const createClient = (settings: LinkSettings): MqttClient => {
  const { library, options, endpoint, clientId, password } = settings;
  const five = options.version === "5";
  return new library.MqttClient(() => guarded(openSocket(settings), endpoint.shown), {
    protocolVersion: five ? 5 : 4,
    clientId,
    clean: options.clean,
    keepalive: options.keepalive_s,
    connectTimeout: CONNECT_TIMEOUT_MS,
    reconnectPeriod: 0,
    resubscribe: false,
    queueQoSZero: false,
    manualConnect: true,
    // Else DEBUG=mqttjs in the environment would print the CONNECT packet, password included.
    log: () => undefined,
    ...(options.username === undefined ? {} : { username: options.username }),
    ...(password === undefined ? {} : { password }),
    ...(five
      ? {
          properties: {
            receiveMaximum: options.receive_maximum,
            maximumPacketSize: PACKET_BYTES_MAX,
            ...(options.clean ? {} : { sessionExpiryInterval: options.session_expiry_s }),
          },
        }
      : {}),
  });
};

const deliveryOf = (packet: IPublishPacket, qos: 0 | 1 | 2): Delivery => ({
  session: "",
  topic: packet.topic,
  payload: typeof packet.payload === "string" ? Buffer.from(packet.payload) : packet.payload,
  qos,
  retain: packet.retain,
  dup: packet.dup,
  packetId: qos === 0 ? null : (packet.messageId ?? null),
});

interface Intake {
  /** Resolves when nothing is held any more, or after the limit; takes nothing new from now on. */
  drain(limitMs: number): Promise<void>;
}

// The pump of mqtt.js stops while the callback of `handleMessage` is kept: then the socket fills and the broker waits. That is the bound for QoS 0.
const attachIntake = (
  client: MqttClient,
  { timers }: LinkSettings,
  events: LinkEvents,
  fail: (reason: unknown) => void,
): Intake => {
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

/** SUBACK return codes from here on are failures (MQTT 3.1.1 section 3.9.3, MQTT 5 the same). */
const REFUSED = 0x80;

const subscribeAll = ({ options, endpoint }: LinkSettings, client: MqttClient): Promise<void> => {
  // `rh: 1` (MQTT 5 section 3.8.3.1): retained messages come with a new subscription only, not at every reconnect.
  const wanted = Object.fromEntries(options.subscriptions.map(({ filter, qos }) => [filter, { qos, rh: 1 }]));
  if (options.subscriptions.length === 0) return Promise.resolve();
  return new Promise((resolve, reject) => {
    client.subscribe(wanted, (_error, asked = [], packet) => {
      const granted = packet?.granted ?? [];
      const refused = asked.filter((_, index) => Number(granted[index] ?? REFUSED) >= REFUSED);
      if (refused.length === 0) resolve();
      else
        reject(
          refusedFilters(
            endpoint.shown,
            refused.map(({ topic }) => topic),
          ),
        );
    });
  });
};

const closeGently = (client: MqttClient, timers: Timers, limitMs: number): Promise<void> =>
  new Promise((resolve) => {
    const force = timers.after(limitMs, () => client.stream.destroy());
    client.stream.once("close", () => {
      force();
      resolve();
    });
    if (client.stream.destroyed) {
      force();
      resolve();
    } else client.end(!client.connected, {});
  });

/** Opens a connection. What happens to it comes through `events`; `closed` comes exactly once, whatever happens. */
export const openLink = (settings: LinkSettings, events: LinkEvents): Link => {
  const { endpoint, timers } = settings;
  const client = createClient(settings);
  let reason: DriverError | null = null;
  let asked = false;
  let ended = false;

  const fail = (cause: unknown): void => {
    reason ??= connectionError(endpoint.shown, cause);
    client.end(true, {});
  };
  client.on("connect", (packet) => events.connected(packet.sessionPresent));
  client.on("disconnect", (packet) => {
    reason ??= connectionError(endpoint.shown, { code: packet.reasonCode });
  });
  client.on("error", (error) => {
    reason ??= connectionError(endpoint.shown, error);
  });
  client.on("close", () => {
    if (ended) return;
    ended = true;
    events.closed(asked ? null : (reason ?? lostConnection(endpoint.shown)));
  });
  const intake = attachIntake(client, settings, events, fail);
  client.connect();
  return {
    client,
    fail,
    subscribe: () => subscribeAll(settings, client),
    drain: (limitMs) => intake.drain(limitMs),
    close: (limitMs) => {
      asked = true;
      return closeGently(client, timers, limitMs);
    },
  };
};
