// Why a content could not be read as telemetry.

/**
 * VERSION, ENCODING: made by somebody newer, to be reported and never guessed. MALFORMED: broken or hostile. LIMIT: larger than a reader takes.
 * FILE: the readings lie in an attachment that could not be had.
 */
export type TelemetryErrorCode = "VERSION" | "ENCODING" | "MALFORMED" | "LIMIT" | "FILE";

export class TelemetryError extends Error {
  readonly code: TelemetryErrorCode;
  constructor(code: TelemetryErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "TelemetryError";
    this.code = code;
  }
}

export const malformed = (path: string, expected: string): TelemetryError =>
  new TelemetryError("MALFORMED", `telemetry: ${path}: expected ${expected}`);

export const overLimit = (what: string, most: number): TelemetryError =>
  new TelemetryError("LIMIT", `telemetry: ${what}: more than the ${most} that a reader takes`);
