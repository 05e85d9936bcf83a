// A secret key as people write it down (specification, appendices: Cryptographic key representation; the whole of it).
//
//   8B 01 | key (32 bytes) | XOR of all bytes before        in base58, a space after every fourth character
//
// Used for the secret storage key and for the backup's decryption key.
import { CryptoError } from "./errors.ts";
import { RECOVERY_KEY_CHARS_MAX } from "./limits.ts";

const ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
const PREFIX: readonly number[] = [0x8b, 0x01];
const KEY_BYTES = 32;
const LENGTH = PREFIX.length + KEY_BYTES + 1;

/**
 * 32 secret bytes as text for a person: 48 characters in 12 groups of four. The text is as secret as the key.
 *
 * @throws RangeError when there are not 32 bytes
 */
export function encodeRecoveryKey(key: Uint8Array): string {
  if (key.length !== KEY_BYTES) throw new RangeError(`recovery key: expected 32 bytes, got ${key.length}`);
  const bytes = new Uint8Array(LENGTH);
  bytes.set(PREFIX);
  bytes.set(key, PREFIX.length);
  bytes[LENGTH - 1] = parity(bytes.subarray(0, LENGTH - 1));
  const text = encodeBase58(bytes);
  bytes.fill(0);
  return text.match(/.{1,4}/g)?.join(" ") ?? "";
}

/**
 * The 32 secret bytes. White space is disregarded, anywhere.
 *
 * @throws CryptoError FORMAT for a character outside the alphabet, another length, other first bytes (another kind of
 *   key), or a wrong parity (a typing error). The message never repeats the text.
 */
export function decodeRecoveryKey(text: string): Uint8Array<ArrayBuffer> {
  if (text.length > RECOVERY_KEY_CHARS_MAX) {
    throw fault(`at most ${RECOVERY_KEY_CHARS_MAX} characters`, `${text.length}`);
  }
  const bytes = decodeBase58(text.replace(/\s+/g, ""));
  if (bytes.length !== LENGTH)
    throw fault(`${LENGTH} bytes`, `${bytes.length}: characters are missing or too many`);
  if (PREFIX.some((byte, i) => bytes[i] !== byte))
    throw fault("the first bytes 8B 01", "others: not a recovery key");
  if (parity(bytes) !== 0) throw fault("a parity that fits", "one that does not: a character is mistyped");
  const key = bytes.slice(PREFIX.length, LENGTH - 1);
  bytes.fill(0);
  return key;
}

function parity(bytes: Uint8Array): number {
  return bytes.reduce((all, byte) => all ^ byte, 0);
}

/** Base 256 to base 58 by long division; leading zero bytes become leading "1". */
function encodeBase58(bytes: Uint8Array): string {
  const digits: number[] = [];
  for (const byte of bytes) {
    let carry = byte;
    for (let i = 0; i < digits.length; i++) {
      carry += (digits[i] ?? 0) << 8;
      digits[i] = carry % 58;
      carry = Math.floor(carry / 58);
    }
    for (; carry > 0; carry = Math.floor(carry / 58)) digits.push(carry % 58);
  }
  const zeros = bytes.findIndex((byte) => byte !== 0);
  const leading = "1".repeat(zeros === -1 ? bytes.length : zeros);
  return (
    leading +
    digits
      .reverse()
      .map((digit) => ALPHABET[digit])
      .join("")
  );
}

function decodeBase58(text: string): Uint8Array<ArrayBuffer> {
  const bytes: number[] = [];
  for (let at = 0; at < text.length; at++) {
    let carry = ALPHABET.indexOf(text.charAt(at));
    if (carry < 0)
      throw fault("letters and digits of base58 (no 0, O, I, l)", `another character at place ${at}`);
    for (let i = 0; i < bytes.length; i++) {
      carry += (bytes[i] ?? 0) * 58;
      bytes[i] = carry & 0xff;
      carry >>= 8;
    }
    for (; carry > 0; carry >>= 8) bytes.push(carry & 0xff);
  }
  const leading = text.match(/^1*/)?.[0].length ?? 0;
  return Uint8Array.from([...new Array<number>(leading).fill(0), ...bytes.reverse()]);
}

function fault(expected: string, found: string): CryptoError {
  return new CryptoError("FORMAT", `recovery key: expected ${expected}, found ${found}`);
}
