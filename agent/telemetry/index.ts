// The library entry `petrel/telemetry`: reads and writes the contents of telemetry events, for integrations that consume a room.
export { COLUMNS_ENCODING } from "./columns/format.ts";
export { encodeDecimal, parseDecimal } from "./decimal.ts";
export { TelemetryError, type TelemetryErrorCode } from "./errors.ts";
export {
  type Batch,
  type BatchHead,
  encodeFile,
  encodeLoss,
  encodePack,
  encodePlain,
  NAMESPACE_DEFAULT,
  type Pack,
  type Span,
  spanOf,
} from "./event.ts";
export {
  contentBytesMax,
  type FitOptions,
  type FittedEvent,
  type FittedPack,
  fitEvent,
  fitPack,
  type PackLimits,
  packBytesMax,
} from "./fit.ts";
export type { PackBuilder } from "./pack/builder.ts";
export { createBuilder, decodePack, isKnownEncoding } from "./pack/codec.ts";
export { SENML_ENCODING } from "./pack/senml.ts";
export {
  type FetchFile,
  parseFile,
  parseLoss,
  parseTelemetry,
  readTelemetry,
  type TelemetryFile,
  telemetryFile,
} from "./parse.ts";
export type { ClockState, Epoch, Loss, StampedReading } from "./reading.ts";
export type { PackReading, ReceivedRange, ReceivedReading, ReceivedTelemetry } from "./received.ts";
