// The broker driver: an MQTT broker inside the agent (aedes: MQTT 3.1 and 3.1.1), for a site that has none. Its clients' messages become readings as
// those of somebody else's broker do, and are acknowledged once these are durable; `write` publishes to its clients.
//
//   site: { type: broker, host: 0.0.0.0, users: [{ name: shed, password: { file: ... }, publish: ["shed/#"] }], subscriptions: [{ filter: "shed/#" }] }
//
// Sessions are always clean, whatever a client asks for: what the broker would keep for an absent client is in memory, unbounded (aedes issue 1087),
// and gone with the agent; a client that is told so subscribes again.

import { createServer, type Server, type Socket } from "node:net";
import type { Aedes, AuthenticateError, Client, PublishPacket } from "aedes";
import { type Access, createAccess, type Grant } from "./broker/access.ts";
import { createIntake, type Intake } from "./broker/intake.ts";
import { CONNECT_TIMEOUT_MS, DRAIN_TIMEOUT_MS, HALF_DONE_MAX, STOP_DRAIN_MS } from "./broker/limits.ts";
import { type BrokerOptions, brokerSchema } from "./broker/options.ts";
import { createDiscardReporter, type Discard } from "./discards.ts";
import {
  type Driver,
  type DriverContext,
  DriverError,
  type DriverKind,
  type WriteRequest,
} from "./driver.ts";
import { filterSocket } from "./filtered-socket.ts";
import { createPacketFilter, type PacketFilter } from "./packet-filter.ts";
import { type Connection, createReconnector } from "./reconnect.ts";
import { isTopic } from "./topic.ts";
import { compileTopicMapping } from "./topic-mapping.ts";
import { createReceiver, type Receiver } from "./topic-receiver.ts";

type Report = (discard: Discard) => void;

interface Parts {
  readonly options: BrokerOptions;
  readonly context: DriverContext;
  readonly access: Access;
  readonly receive: Receiver;
  readonly report: Report;
}

/** Where a refused message goes instead: nobody can subscribe to it, so the client gets its acknowledgement and nobody the message ([MQTT-3.3.5-2]). */
const NOWHERE = "$petrel/refused";

const refuse = (packet: PublishPacket): void => {
  packet.topic = NOWHERE;
  packet.payload = Buffer.alloc(0);
  packet.retain = false;
};

/** CONNACK 4: bad user name or password (MQTT 3.1.1 table 3.1). */
const badLogin = (): AuthenticateError =>
  Object.assign(new Error("bad user name or password"), { returnCode: 4 });

const oversize = (topic: string, { packet_bytes_max }: BrokerOptions): Discard => ({
  counter: "oversize",
  message: `${topic}: a message of more than ${packet_bytes_max} bytes was dropped`,
  level: "warn",
});

type Filters = WeakMap<object, PacketFilter>;

const createHooks = ({ access, report, options }: Parts, intake: Intake, filters: Filters) => {
  const grants = new WeakMap<Client, Grant>();
  const denied = (message: string): void => report({ counter: "denied", message, level: "warn" });
  return {
    preConnect: (
      _client: Client,
      packet: { clean?: boolean },
      done: (error: Error | null, ok: boolean) => void,
    ): void => {
      packet.clean = true;
      done(null, true);
    },
    authenticate: (
      client: Client,
      user: string | undefined,
      password: Buffer | undefined,
      done: (error: AuthenticateError | null, ok: boolean | null) => void,
    ): void => {
      const grant = access.login(user, password);
      if (grant === null) {
        denied(`a client was refused: wrong user name or password (user ${JSON.stringify(user ?? "")})`);
        done(badLogin(), null);
        return;
      }
      grants.set(client, grant);
      done(null, true);
    },
    authorizePublish: (
      client: Client | null,
      packet: PublishPacket,
      done: (error?: Error | null) => void,
    ): void => {
      const grant = client === null ? undefined : grants.get(client);
      if (grant?.mayPublish(packet.topic) !== true) {
        denied(`${grant?.user ?? "somebody"} may not publish to ${packet.topic}; the message was dropped`);
        refuse(packet);
      } else if (client !== null && filters.get(client.conn)?.wasCut(packet.messageId ?? 0) === true) {
        report(oversize(packet.topic, options));
        refuse(packet);
      }
      intake.take(client, packet, done);
    },
    authorizeSubscribe: <S extends { topic: string }>(
      client: Client,
      subscription: S,
      done: (error: Error | null, subscription?: S | null) => void,
    ): void => {
      const grant = grants.get(client);
      const allowed = grant?.maySubscribe(subscription.topic) === true;
      if (!allowed) denied(`${grant?.user ?? "somebody"} may not subscribe to ${subscription.topic}`);
      done(null, allowed ? subscription : null);
    },
  };
};

const LISTEN_ERRORS: Readonly<Record<string, string>> = {
  EADDRINUSE: "is taken by another program (is mosquitto running?): stop it, or choose another port",
  EACCES: "may not be opened by this user: choose a port from 1024 on",
  EADDRNOTAVAIL: "cannot be opened: host is no address of this device",
};

const listenError = (place: string, error: NodeJS.ErrnoException): DriverError => {
  const text = LISTEN_ERRORS[error.code ?? ""] ?? `cannot be opened: ${error.message}`;
  return new DriverError(error.code === "EADDRINUSE" ? "BUSY" : "UNAVAILABLE", `${place} ${text}`, {
    cause: error,
  });
};

const listen = (server: Server, { host, port }: BrokerOptions, place: string): Promise<void> =>
  new Promise((resolve, reject) => {
    server.once("error", (error) => reject(listenError(place, error)));
    server.listen({ host, port }, () => {
      server.removeAllListeners("error");
      resolve();
    });
  });

const createFilter = ({ options, report }: Parts): PacketFilter =>
  createPacketFilter({
    packetBytesMax: options.packet_bytes_max,
    cuts: true,
    dropped: (topic) => report(oversize(topic, options)),
  });

const closing = (server: Server): Promise<void> => new Promise((resolve) => server.close(() => resolve()));

/** Takes down what an opening that came to nothing has made, and fails with its reason. */
const shut = async (made: { aedes: Aedes; server?: Server }, reason: unknown): Promise<never> => {
  await new Promise<void>((resolve) => made.aedes.close(resolve));
  if (made.server?.listening === true) await closing(made.server);
  throw reason;
};

class EmbeddedBroker implements Connection {
  readonly place: string;
  readonly #parts: Parts;
  #server: Server | null = null;
  #running: { readonly aedes: Aedes; readonly intake: Intake } | null = null;
  readonly #sockets = new Set<Socket>();
  readonly #filters: Filters = new WeakMap();

  constructor(parts: Parts) {
    this.#parts = parts;
    this.place = `${parts.options.host}:${parts.options.port}`;
  }

  async open(): Promise<void> {
    const { options, receive, context } = this.#parts;
    const server = createServer((socket) => this.#accept(socket));
    this.#server = server;
    const library = await import("aedes");
    const intake = createIntake(receive, context);
    const aedes = await library.Aedes.createBroker({
      connectTimeout: CONNECT_TIMEOUT_MS,
      drainTimeout: DRAIN_TIMEOUT_MS,
      maxInflightInbound: HALF_DONE_MAX,
      maxClientsIdLength: 128,
      ...createHooks(this.#parts, intake, this.#filters),
    });
    // It may have been closed meanwhile: then nothing may be left open.
    if (this.#server === server)
      await listen(server, options, this.place).catch((error) => shut({ aedes }, error));
    if (this.#server !== server)
      await shut({ aedes, server }, new DriverError("CLOSED", `${this.place}: closed`));
    this.#running = { aedes, intake };
  }

  async close(): Promise<void> {
    const [running, server] = [this.#running, this.#server];
    this.#running = null;
    this.#server = null;
    const closed = server?.listening ? closing(server) : undefined;
    await running?.intake.drain(STOP_DRAIN_MS);
    if (running !== null) await new Promise<void>((resolve) => running.aedes.close(resolve));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  async publish({ target, payload, qos = 0, retain = false }: WriteRequest): Promise<void> {
    const aedes = this.#running?.aedes;
    if (aedes === undefined)
      throw new DriverError(
        "UNAVAILABLE",
        `${this.place}: the broker does not run; the message was not sent`,
      );
    if (!isTopic(target) || target.startsWith("$"))
      throw new DriverError(
        "MALFORMED",
        `"${target.slice(0, 80)}" is no topic: expected one without + and #, such as home/relay/set`,
      );
    const packet: PublishPacket = {
      cmd: "publish",
      topic: target,
      payload: Buffer.from(payload),
      qos,
      retain,
      dup: false,
    };
    await new Promise<void>((resolve, reject) =>
      aedes.publish(packet, (error) => (error ? reject(error) : resolve())),
    );
  }

  #accept(socket: Socket): void {
    const { options, report } = this.#parts;
    if (this.#running === null || this.#sockets.size >= options.clients_max) {
      report({
        counter: "denied",
        message: `a client was refused: ${options.clients_max} are connected already`,
        level: "warn",
      });
      socket.destroy();
      return;
    }
    this.#sockets.add(socket);
    socket.once("close", () => this.#sockets.delete(socket));
    socket.setNoDelay(true);
    const filter = createFilter(this.#parts);
    const broken = (): Error => new Error(`a packet of more than ${options.packet_bytes_max} bytes`);
    const filtered = filterSocket(socket, filter, broken);
    this.#filters.set(filtered, filter);
    this.#running.aedes.handle(filtered);
  }
}

const createBroker = (name: string, options: BrokerOptions, context: DriverContext): Driver => {
  const broker = new EmbeddedBroker({
    options,
    context,
    access: createAccess(options, name),
    receive: createReceiver(context, compileTopicMapping(options.subscriptions)),
    report: createDiscardReporter(context),
  });
  const keeper = createReconnector(broker.place, broker, context);
  return {
    start: async () => keeper.start(),
    stop: () => keeper.stop(),
    write: (request) => broker.publish(request),
  };
};

export const broker: DriverKind<BrokerOptions> = {
  kind: "broker",
  schema: brokerSchema,
  create: createBroker,
};
