// A secret in a driver's options. In the configuration it is a reference ({ file: PATH }, { env: NAME } or { credential: NAME }); the agent puts the
// secret itself in its place before it creates the driver. Drivers read no files and no environment for it.
import type { ZodType } from "zod";
import * as z from "zod";
import { DriverError } from "./driver.ts";

export type Secret =
  | string
  | { readonly file: string }
  | { readonly env: string }
  | { readonly credential: string };

export const secretSchema: ZodType<Secret> = z.union(
  [
    z.strictObject({ file: z.string().min(1) }),
    z.strictObject({ env: z.string().min(1) }),
    z.strictObject({ credential: z.string().min(1) }),
    z.string(),
  ],
  { error: "expected a reference to a secret: { file: PATH }, { env: NAME } or { credential: NAME }" },
);

/** The secret itself; a reference that nobody resolved is an error of the agent, and says where. */
export const revealed = (secret: Secret | undefined, what: string): string | undefined => {
  if (secret === undefined || typeof secret === "string") return secret;
  throw new DriverError("CONFIG", `${what}: the reference to the secret was not resolved`);
};
