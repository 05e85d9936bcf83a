// The options of the mqtt driver as they stand in the configuration. Secrets arrive here as plain strings: the agent resolves the references.
import type { ZodType } from "zod";
import * as z from "zod";
import { type Secret, secretSchema } from "../secret.ts";
import { type Subscription, subscriptionSchema } from "../topic-mapping.ts";
import {
  RECEIVE_MAXIMUM_DEFAULT,
  RECEIVE_MAXIMUM_MAX,
  SESSION_EXPIRY_S,
  SUBSCRIPTIONS_MAX,
} from "./limits.ts";

export interface MqttTls {
  readonly ca?: string | undefined;
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
  readonly servername?: string | undefined;
}

export interface MqttOptions {
  readonly url: string;
  readonly version: "3.1.1" | "5";
  readonly client_id?: string | undefined;
  readonly clean: boolean;
  readonly session_expiry_s: number;
  readonly username?: string | undefined;
  readonly password?: Secret | undefined;
  readonly tls?: MqttTls | undefined;
  readonly keepalive_s: number;
  readonly receive_maximum: number;
  readonly subscriptions: readonly Subscription[];
}

/** Where the broker is, taken apart once. */
export interface Endpoint {
  readonly host: string;
  readonly port: number;
  readonly secure: boolean;
  /** For messages: never holds a password. */
  readonly shown: string;
}

const PORTS: Readonly<Record<string, number>> = { "mqtt:": 1883, "mqtts:": 8883 };

/** Parses `mqtt://host[:port]` or `mqtts://host[:port]`; null when it is something else. A password in the URL is refused: it would end up in logs. */
export const parseEndpoint = (text: string): Endpoint | null => {
  const url = URL.canParse(text) ? new URL(text) : null;
  const port = url === null ? undefined : PORTS[url.protocol];
  if (url === null || port === undefined || url.hostname === "" || url.username !== "" || url.password !== "")
    return null;
  if (!/^\/?$/.test(url.pathname) || url.search !== "" || url.hash !== "") return null;
  const host = url.hostname.replace(/^\[(.*)\]$/, "$1");
  const chosen = url.port === "" ? port : Number(url.port);
  return {
    host,
    port: chosen,
    secure: url.protocol === "mqtts:",
    shown: `${url.protocol}//${url.hostname}:${chosen}`,
  };
};

const file = (what: string): z.ZodOptional<z.ZodString> => z.string().min(1).optional().describe(what);

const tlsSchema: ZodType<MqttTls> = z
  .strictObject({
    ca: file("File with the certificate authority to trust (PEM). Left out: the system's."),
    cert: file("File with the client's certificate (PEM)."),
    key: file("File with the key of the client's certificate (PEM)."),
    servername: file("Name that the broker's certificate must carry, when it is not the host of the URL."),
  })
  .refine((tls) => (tls.cert === undefined) === (tls.key === undefined), {
    error: "expected cert and key together: a client certificate needs its key",
  });

const fields = z.strictObject({
  url: z
    .string()
    .refine((text) => parseEndpoint(text) !== null, {
      error:
        "expected mqtt://host:port or mqtts://host:port, without user and password (these have keys of their own)",
    })
    .describe("Where the broker is: mqtt://host:1883, or mqtts://host:8883 for TLS."),
  version: z.enum(["3.1.1", "5"]).default("3.1.1").describe("The protocol's version."),
  client_id: z
    .string()
    .min(1)
    .max(128)
    .optional()
    .describe("Name of this client, unique on the broker. Two clients of one name throw each other out."),
  clean: z
    .boolean()
    .default(false)
    .describe(
      "true: the broker forgets this client when it leaves. false: it keeps messages of QoS 1 and 2 for it.",
    ),
  session_expiry_s: z
    .int()
    .min(0)
    .max(4_294_967_295)
    .default(SESSION_EXPIRY_S)
    .describe("MQTT 5: how long the broker keeps the session of an absent client, in seconds."),
  username: z.string().min(1).optional().describe("User name."),
  password: secretSchema.optional().describe("Password, by reference."),
  tls: tlsSchema.optional().describe("Certificates, for mqtts."),
  keepalive_s: z
    .int()
    .min(5)
    .max(3_600)
    .default(30)
    .describe("A silent broker is noticed after one and a half of this, in seconds."),
  receive_maximum: z
    .int()
    .min(1)
    .max(RECEIVE_MAXIMUM_MAX)
    .default(RECEIVE_MAXIMUM_DEFAULT)
    .describe("MQTT 5: messages that the broker may send before the first is acknowledged."),
  subscriptions: z
    .array(subscriptionSchema)
    .max(SUBSCRIPTIONS_MAX)
    .default([])
    .describe("What to listen to."),
});

export const mqttSchema: ZodType<MqttOptions> = fields
  .refine((options) => options.clean || options.client_id !== undefined, {
    path: ["client_id"],
    error:
      "expected a client_id of its own for this device: the broker keeps the session under it (or set clean: true and lose what arrives meanwhile)",
  })
  .refine((options) => options.password === undefined || options.username !== undefined, {
    path: ["username"],
    error: "expected a username beside the password",
  })
  .refine((options) => options.tls === undefined || options.url.startsWith("mqtts:"), {
    path: ["url"],
    error: "expected an mqtts:// address, since tls is given",
  })
  .refine(
    (options) =>
      new Set(options.subscriptions.map(({ filter }) => filter)).size === options.subscriptions.length,
    {
      path: ["subscriptions"],
      error: "expected each filter once",
    },
  );
