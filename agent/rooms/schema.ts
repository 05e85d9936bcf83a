// The section `rooms` of the configuration (DESIGN 4): the data room for machines, the people room for people; one room for both if they name the same.
import type { ZodType } from "zod";
import * as z from "zod";
import { duration } from "#agent/config/units.ts";
import { type LivenessConfig, livenessSchema } from "#agent/liveness/schema.ts";

export interface RoomConfig {
  /** Room ID or alias of a room to join. Without it the agent makes a room and remembers it. */
  readonly room?: string | undefined;
  readonly name?: string | undefined;
}

export interface RoomsConfig {
  readonly data: RoomConfig;
  readonly people: RoomConfig;
  /** Invited into both rooms that the agent makes, with the power to command. */
  readonly operators: readonly string[];
  /** Rooms that the agent makes are encrypted, where encryption is enabled. */
  readonly encrypted: boolean;
  /** The status message is edited at most this often (ms). */
  readonly status_every: number;
  readonly liveness: LivenessConfig;
}

const roomSchema = z
  .strictObject({
    room: z
      .string()
      .regex(/^[!#]\S+$/, { error: 'expected a room ID ("!...") or an alias ("#name:server")' })
      .optional()
      .describe("A room to join: its ID or alias. Without it the agent makes one."),
    name: z.string().min(1).optional().describe("Name of the room that the agent makes."),
  })
  .default({});

export const roomsSchema: ZodType<RoomsConfig> = z.strictObject({
  data: roomSchema.describe("The room that carries telemetry for machines."),
  people: roomSchema.describe("The room that carries status, alarms and replies, and takes commands."),
  operators: z
    .array(z.string().regex(/^@[^:\s]+:\S+$/, { error: 'expected a user ID such as "@alice:example.org"' }))
    .default([])
    .describe("Users invited into the rooms that the agent makes, with the power to command."),
  encrypted: z
    .boolean()
    .default(true)
    .describe(
      "Rooms that the agent makes are encrypted, where encryption is enabled. Those that exist stay as they are.",
    ),
  status_every: duration()
    .prefault("30s")
    .describe("The status message is edited at most this often, and only when what it shows has changed."),
  liveness: livenessSchema
    .prefault({})
    .describe("How it shows that the device is there, and that it is not."),
});
