// The section `log`, and the logger: for a person on a terminal, JSON lines under systemd and in files.
import { type ZodType, z } from "zod";

export interface LogConfig {
  readonly level: "debug" | "info" | "warn" | "error";
  readonly format: "auto" | "human" | "json";
}

export const logSchema: ZodType<LogConfig> = z.strictObject({
  level: z.enum(["debug", "info", "warn", "error"]).default("info").describe("The least that is written."),
  format: z
    .enum(["auto", "human", "json"])
    .default("auto")
    .describe("auto: for people on a terminal, JSON elsewhere."),
});
