// The section `encryption` of the configuration. Encrypted rooms are not built yet: saying so is better than a switch that does nothing.
import type { ZodType } from "zod";
import * as z from "zod";

export interface EncryptionConfig {
  readonly enabled: false;
}

export const encryptionSchema: ZodType<EncryptionConfig> = z.strictObject({
  enabled: z
    .literal(false, { error: "expected false: this version of Petrel sends into unencrypted rooms only" })
    .default(false)
    .describe("End-to-end encryption: not in this version."),
});
