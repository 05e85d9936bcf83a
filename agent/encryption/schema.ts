// The section `encryption` of the configuration.
import type { ZodType } from "zod";
import * as z from "zod";
import { duration } from "#agent/config/units.ts";
import { ROTATION_PERIOD_MS_MAX, ROTATION_PERIOD_MS_MIN } from "./limits.ts";

export interface RotationConfig {
  readonly messages: number;
  /** ms */
  readonly period: number;
}

export interface ForwardingConfig {
  readonly ask: boolean;
  readonly answer: boolean;
}

export interface EncryptionConfig {
  readonly enabled: boolean;
  readonly strategy: "cross-signed" | "verified" | "all";
  /** Master keys by user ID. */
  readonly trusted: Readonly<Record<string, string>>;
  /** Absent: what the specification recommends. */
  readonly rotation?: RotationConfig | undefined;
  /** Devices by user ID that get no key. */
  readonly blocked?: Readonly<Record<string, readonly string[]>> | undefined;
  /** Absent: neither. */
  readonly forwarding?: ForwardingConfig | undefined;
}

/** Ed25519 in base64, as clients show a master key; they put spaces into it. */
const MASTER_KEY = /^[A-Za-z0-9+/]{43}$/;

const rotationSchema = z.strictObject({
  messages: z
    .int()
    .min(1)
    .max(10_000)
    .default(100)
    .describe("A room key encrypts at most this many events; a room's own settings may ask for fewer."),
  period: duration()
    .refine((ms) => ms >= ROTATION_PERIOD_MS_MIN && ms <= ROTATION_PERIOD_MS_MAX, {
      error: 'expected a period from "1h" to "30d"',
    })
    .prefault("7d")
    .describe("And it is used no longer than this; a room's own settings may ask for less."),
});

const forwardingSchema = z.strictObject({
  ask: z
    .boolean()
    .default(false)
    .describe("Ask the account's other verified devices for the key of an event that cannot be read."),
  answer: z
    .boolean()
    .default(false)
    .describe("Give the account's other verified devices the keys that they ask for."),
});

const userId = (): ZodType<string, string> =>
  z.string().regex(/^@[^:\s]+:\S+$/, { error: 'expected a user ID such as "@alice:example.org"' });

export const encryptionSchema: ZodType<EncryptionConfig> = z.strictObject({
  enabled: z
    .boolean()
    .default(true)
    .describe(
      "End-to-end encryption. Rooms that the agent makes are encrypted then; without it nothing is sent into a room that is.",
    ),
  strategy: z
    .enum(["cross-signed", "verified", "all"])
    .default("cross-signed")
    .describe(
      "Which devices of a room's members can read it: those that their owners have cross-signed, of these only verified users' ones, or all.",
    ),
  trusted: z
    .record(
      userId(),
      z
        .string()
        .transform((text) => text.replaceAll(/[\s=]/g, ""))
        .pipe(z.string().regex(MASTER_KEY, { error: "expected a master key: 43 characters of base64" })),
    )
    .default({})
    .describe("Master keys (fingerprints) of users that count as verified, by user ID."),
  rotation: rotationSchema
    .optional()
    .describe("When the key of a room is made anew, beside whenever somebody left."),
  blocked: z
    .record(userId(), z.array(z.string().min(1)).min(1))
    .optional()
    .describe("Devices that get no room key whatever else holds: device IDs by user ID."),
  forwarding: forwardingSchema
    .optional()
    .describe("Room keys that pass between the account's own devices. Both are off by default."),
});
