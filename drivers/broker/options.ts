// The options of the embedded broker as they stand in the configuration.
import type { ZodType } from "zod";
import * as z from "zod";
import { type Secret, secretSchema } from "../secret.ts";
import { isTopicFilter } from "../topic.ts";
import { type Subscription, subscriptionSchema } from "../topic-mapping.ts";
import {
  CLIENTS_DEFAULT,
  CLIENTS_MAX,
  PACKET_BYTES_DEFAULT,
  PACKET_BYTES_MAX,
  RULES_MAX,
  USERS_MAX,
} from "./limits.ts";

export interface BrokerUser {
  readonly name: string;
  readonly password: Secret;
  readonly publish: readonly string[];
  readonly subscribe: readonly string[];
}

export interface BrokerOptions {
  readonly host: string;
  readonly port: number;
  readonly users: readonly BrokerUser[];
  readonly clients_max: number;
  readonly packet_bytes_max: number;
  readonly subscriptions: readonly Subscription[];
}

const rules = (what: string): z.ZodDefault<z.ZodArray<z.ZodString>> =>
  z
    .array(
      z.string().refine(isTopicFilter, { error: "expected an MQTT topic filter such as home/kitchen/#" }),
    )
    .max(RULES_MAX)
    .default(["#"])
    .describe(what);

const userSchema: ZodType<BrokerUser> = z.strictObject({
  name: z.string().min(1).max(64).describe("User name."),
  password: secretSchema.describe("Password, by reference."),
  publish: rules("Topics that this user may publish to. Left out: all."),
  subscribe: rules("Topics that this user may read. Left out: all."),
});

const LOOPBACK = /^(127\.\d+\.\d+\.\d+|::1|localhost)$/;

export const brokerSchema: ZodType<BrokerOptions> = z
  .strictObject({
    host: z
      .string()
      .min(1)
      .default("127.0.0.1")
      .describe(
        "Address to listen on. 127.0.0.1: this device only; 0.0.0.0: its networks too, which needs users.",
      ),
    port: z.int().min(1).max(65_535).default(1883).describe("TCP port."),
    users: z
      .array(userSchema)
      .max(USERS_MAX)
      .default([])
      .describe("Who may connect. Left out: everybody on this device."),
    clients_max: z.int().min(1).max(CLIENTS_MAX).default(CLIENTS_DEFAULT).describe("Connections at once."),
    packet_bytes_max: z
      .int()
      .min(256)
      .max(PACKET_BYTES_MAX)
      .default(PACKET_BYTES_DEFAULT)
      .describe("Largest packet of a client, in bytes."),
    subscriptions: z
      .array(subscriptionSchema)
      .max(128)
      .default([])
      .describe("Which messages become readings. All others pass between the clients only."),
  })
  .refine(({ host, users }) => users.length > 0 || LOOPBACK.test(host), {
    path: ["users"],
    error: "expected users: a broker that others in the network can reach must not be open to all of them",
  })
  .refine(({ users }) => new Set(users.map(({ name }) => name)).size === users.length, {
    path: ["users"],
    error: "expected each user once",
  });
