// The machine's own error: something that the calling program must do first, or must not do. Broken or hostile input from outside is never one:
// it becomes a result or a notice (notices.ts), and the primitives below throw CryptoError, which the machine catches where input is read.

/**
 * - `OTHER_DEVICE`: the store holds the keys of another user or device.
 * - `NO_ACCOUNT`: nothing was set up in this store yet.
 * - `UNKNOWN_REQUEST`: an answer to a request that is not under way.
 * - `UNKNOWN_USER`, `UNKNOWN_DEVICE`: no keys of theirs were ever received.
 * - `NOT_ENCRYPTED`: the room has no encryption settings; setting them is the caller's, never a default.
 * - `DOWNGRADE`: settings that would weaken a room that was encrypted once.
 * - `OWN_IDENTITY`: sharing with cross-signed devices only needs an own identity that is trusted and has signed this device.
 * - `NOT_SHARED`: the room key must be shared first, or its messages have not been answered yet.
 * - `IDENTITY_CHANGED`: a member's identity changed after it was verified, and the chosen strategy stops at that.
 * - `UNKNOWN_VERIFICATION`, `WRONG_PHASE`, `TOO_MANY_VERIFICATIONS`: of a verification; list them to see what each is at.
 * - `SECRET_STORAGE`, `BACKUP`: there is one already, or it is not known whether there is.
 */
export type MachineErrorCode =
  | "OTHER_DEVICE"
  | "NO_ACCOUNT"
  | "UNKNOWN_REQUEST"
  | "UNKNOWN_USER"
  | "UNKNOWN_DEVICE"
  | "NOT_ENCRYPTED"
  | "DOWNGRADE"
  | "OWN_IDENTITY"
  | "NOT_SHARED"
  | "IDENTITY_CHANGED"
  | "UNKNOWN_VERIFICATION"
  | "WRONG_PHASE"
  | "TOO_MANY_VERIFICATIONS"
  | "SECRET_STORAGE"
  | "BACKUP";

/** `code` is for programs, `message` for people: what was expected, what was found, what to do. No secrets. */
export class MachineError extends Error {
  override readonly name: "MachineError" = "MachineError";
  readonly code: MachineErrorCode;

  constructor(code: MachineErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}
