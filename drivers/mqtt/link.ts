// One connection to a broker, from CONNECT to the end of its socket, on top of mqtt.js. A lost connection is never repaired here: the driver opens
// another one, with its own back-off. So nothing of mqtt.js outlives a connection: no queue of unsent messages, no fixed reconnect timer.
import { connect as connectTcp, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import type { MqttClient } from "mqtt";
import { DriverError, type Timers } from "../driver.ts";
import { filterSocket } from "../filtered-socket.ts";
import { createPacketFilter, type PacketFilter } from "../packet-filter.ts";
import { connectionError, lostConnection, refusedFilters } from "./errors.ts";
import { attachIntake, type IntakeEvents } from "./intake.ts";
import { CONNECT_TIMEOUT_MS, PACKET_BYTES_MAX } from "./limits.ts";
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

export interface LinkEvents extends IntakeEvents {
  /** CONNACK came: the broker accepted us; `resumed` says that it kept our session. */
  connected(resumed: boolean): void;
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

const oversize = (shown: string): DriverError =>
  new DriverError(
    "MALFORMED",
    `${shown}: the broker sent a packet of more than ${PACKET_BYTES_MAX} bytes; what that large is not for this driver`,
  );

/** MQTT 5 brokers are told the maximum; what exceeds it all the same ends the connection. */
const createFilter = ({ options }: LinkSettings, events: LinkEvents): PacketFilter =>
  createPacketFilter({
    packetBytesMax: PACKET_BYTES_MAX,
    cuts: options.version === "3.1.1",
    dropped: events.oversize,
  });

const createClient = (settings: LinkSettings, filter: PacketFilter): MqttClient => {
  const { library, options, endpoint, clientId, password } = settings;
  const five = options.version === "5";
  return new library.MqttClient(
    () => filterSocket(openSocket(settings), filter, () => oversize(endpoint.shown)),
    {
      protocolVersion: five ? 5 : 4,
      clientId,
      clean: options.clean,
      // Else the first packet makes a table of 65,536 buffers, one for each number of two bytes: 7 MB for what is written in a moment.
      writeCache: false,
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
    },
  );
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
  const filter = createFilter(settings, events);
  const client = createClient(settings, filter);
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
  // mqtt.js leaves the connection open after some errors (a server that speaks no MQTT): nothing good comes of it any more.
  client.on("error", fail);
  client.on("close", () => {
    if (ended) return;
    ended = true;
    events.closed(asked ? null : (reason ?? lostConnection(endpoint.shown)));
  });
  const intake = attachIntake({ client, filter, timers, events, fail });
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
