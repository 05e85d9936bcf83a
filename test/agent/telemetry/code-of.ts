import { TelemetryError } from "#agent/telemetry/errors.ts";

/** The code of the refusal; "taken" where there is none. Whatever else is thrown is a finding. */
export const codeOf = (work: () => unknown): string => {
  try {
    work();
  } catch (error) {
    if (error instanceof TelemetryError) return error.code;
    throw error;
  }
  return "taken";
};
