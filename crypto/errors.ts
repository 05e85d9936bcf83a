// The one error type of crypto/: what hostile, broken or unfitting input is answered with.
// A wrong argument of the caller's own is a TypeError or RangeError instead; "not mine, not yet" is null.

/** What went wrong, for a program to branch on. The codes are those of the oracle protocol (docs/crypto.md). */
export type CryptoErrorCode =
  | "BASE64"
  | "FORMAT"
  | "VERSION"
  | "MAC"
  | "SIGNATURE"
  | "GAP"
  | "MISSING_KEY"
  | "UNKNOWN_INDEX"
  | "KEY_ID"
  | "SMALL_ORDER"
  | "PROTOCOL"
  | "UNSUPPORTED"
  | "PADDING";

/** Broken or hostile input. The message says what was expected, what was found and where; it never holds a secret. */
export class CryptoError extends Error {
  override readonly name = "CryptoError";
  readonly code: CryptoErrorCode;

  constructor(code: CryptoErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
