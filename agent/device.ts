// The section `device` of the configuration: who this installation is and where its state lies.
import type { ZodType } from "zod";
import * as z from "zod";
import { type SecretRef, secretRef } from "#agent/config/secrets.ts";

export interface DeviceConfig {
  /** The installation's name in every event; not the Matrix device ID. */
  readonly name: string;
  /** The folder of store, key and control socket; a default is stated in docs/configuration.md. */
  readonly state?: string | undefined;
  /** Where the 32-byte store key lies; by default `store.key` in the state folder, made at first start. */
  readonly store_key?: SecretRef | undefined;
  /** What tells this board from another; by default its serial number. */
  readonly board?: string | undefined;
}

export const deviceSchema: ZodType<DeviceConfig> = z.strictObject({
  name: z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/, {
      error: 'expected a name of letters, digits, ".", "_" and "-", 64 at most',
    })
    .describe("The installation's name, as readers of the rooms will see it."),
  state: z.string().min(1).optional().describe("Folder of the store, its key and the control socket."),
  board: z
    .string()
    .min(1)
    .max(200)
    .optional()
    .describe(
      "What tells this board from another, so that a copied card is found out; by default its serial number. `any`: a store may move from board to board.",
    ),
  store_key: secretRef()
    .optional()
    .describe("Where the store key lies; by default a file in the state folder."),
});
