// The one error type of crypto/: hostile or broken input, or something that is not ours to decrypt.
// Wrong arguments from the calling program are TypeError or RangeError; "not mine" is null where a function says so.
// A message never holds key material, plaintext or a MAC that was computed: it may be logged as it is.

/**
 * What went wrong.
 *
 * - `BASE64`: text that is not base64 as crypto/base64.ts reads it.
 * - `FORMAT`: bytes whose layout, length or encoding is not the one the specification gives.
 * - `VERSION`: a well-formed version that this library does not speak.
 * - `MAC`: the authentication code does not match: forged, damaged, or another key.
 * - `SIGNATURE`: an Ed25519 signature does not hold.
 * - `GAP`: the message is further ahead of the ratchet than the limit allows.
 * - `MISSING_KEY`: the message key is used up, was dropped, or its chain is unknown (replays end here).
 * - `UNKNOWN_INDEX`: a Megolm index before the first one known, or beyond the ratchet's reach.
 * - `KEY_ID`: no such one-time or fallback key.
 * - `SMALL_ORDER`: a public key of small order, or a shared secret that is zero.
 * - `PROTOCOL`: a message that no honest peer sends in this state.
 * - `UNSUPPORTED`: correct, but deliberately not done (the message says what to do instead).
 * - `PADDING`: PKCS#7 padding that is wrong.
 */
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

/** Thrown for every input that is refused. `code` is for programs, `message` for people. */
export class CryptoError extends Error {
  override readonly name: "CryptoError" = "CryptoError";
  readonly code: CryptoErrorCode;

  constructor(code: CryptoErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
