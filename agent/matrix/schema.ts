// The section `homeserver` of the configuration: where the account lives and how the agent logs in.
import type { ZodType } from "zod";
import * as z from "zod";
import { type SecretRef, secretRef } from "#agent/config/secrets.ts";

export interface HomeserverConfig {
  /** The address of the Client-Server API, or the server name, whose well-known file gives that address. One of the two. */
  readonly url?: string | undefined;
  readonly server?: string | undefined;
  /** `@user:server`, or its local part. */
  readonly user: string;
  readonly password?: SecretRef | undefined;
  readonly token?: SecretRef | undefined;
  readonly device_id?: string | undefined;
}

export const homeserverSchema: ZodType<HomeserverConfig> = z
  .strictObject({
    url: z
      .string()
      .regex(/^https?:\/\/[^\s/]+/, { error: 'expected an address such as "https://matrix.example.org"' })
      .optional()
      .describe("Address of the homeserver, if it is not to be discovered from the server name."),
    server: z
      .string()
      .regex(/^[A-Za-z0-9.:[\]-]+$/, { error: 'expected a server name such as "example.org"' })
      .optional()
      .describe('Server name, such as "example.org": its address is discovered.'),
    user: z.string().min(1).describe('The account: "@drone:example.org" or "drone".'),
    password: secretRef()
      .optional()
      .describe("Where the password lies. Not needed once `petrel login` was run."),
    token: secretRef().optional().describe("Where an access token lies, instead of a password."),
    device_id: z
      .string()
      .min(1)
      .optional()
      .describe("Matrix device ID to log in with; by default the agent makes one and keeps it."),
  })
  .refine((value) => (value.url === undefined) !== (value.server === undefined), {
    error: 'expected exactly one of "url" and "server"',
  })
  .refine((value) => value.password === undefined || value.token === undefined, {
    error: 'expected at most one of "password" and "token"',
  });
