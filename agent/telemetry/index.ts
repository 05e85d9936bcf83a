// The library entry `petrel/telemetry`: reads and writes the contents of telemetry events, for integrations that consume a room.
export { encodeDecimal, parseDecimal } from "./decimal.ts";
export {
  type Batch,
  encodePlain,
  NAMESPACE_DEFAULT,
  parseTelemetry,
  type ReceivedReading,
  type ReceivedTelemetry,
  TelemetryError,
} from "./event.ts";
export type { ClockState, Epoch, Loss, StampedReading } from "./reading.ts";
