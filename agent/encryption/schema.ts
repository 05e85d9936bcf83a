// The section `encryption` of the configuration.
import type { ZodType } from "zod";
import * as z from "zod";

export interface EncryptionConfig {
  readonly enabled: boolean;
  readonly strategy: "cross-signed" | "verified" | "all";
  /** Master keys by user ID. */
  readonly trusted: Readonly<Record<string, string>>;
}

/** Ed25519 in base64, as clients show a master key; they put spaces into it. */
const MASTER_KEY = /^[A-Za-z0-9+/]{43}$/;

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
      z.string().regex(/^@[^:\s]+:\S+$/, { error: 'expected a user ID such as "@alice:example.org"' }),
      z
        .string()
        .transform((text) => text.replaceAll(/[\s=]/g, ""))
        .pipe(z.string().regex(MASTER_KEY, { error: "expected a master key: 43 characters of base64" })),
    )
    .default({})
    .describe("Master keys (fingerprints) of users that count as verified, by user ID."),
});
