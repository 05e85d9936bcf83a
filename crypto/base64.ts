// Base64 as Matrix writes it: the standard alphabet, unpadded (specification, appendices: unpadded Base64; RFC 4648 section 4).
// The decoder is strict, since a lax one lets two texts stand for one key or signature, and lets garbage pass for either.
//
// Two ways in, with identical results (a test runs both on the same inputs):
// - short texts (keys, signatures, MACs: whatever is secret is short) by arithmetic on character codes. No table is indexed
//   by a secret (the flaw of CVE-2024-40640), and below about 150 characters this is also faster than a call into Node.
// - long texts (messages, attachments) by Node's `Buffer` where there is one. `Buffer` skips garbage without a word, takes the URL-safe
//   alphabet and stray bits; encoding its answer again and comparing shows all of that, in one tenth of the time of a loop.
import { CryptoError } from "./errors.ts";

const STANDARD = { name: "standard", plus: 0x2b, slash: 0x2f, buffer: "base64" } as const;
const URL_SAFE = { name: "URL-safe", plus: 0x2d, slash: 0x5f, buffer: "base64url" } as const;
type Alphabet = typeof STANDARD | typeof URL_SAFE;

/** Texts up to this many characters are read and written by arithmetic (measured crossover on Node 24: about 150). */
const ARITHMETIC_CHARS_MAX = 128;

const HAS_BUFFER: boolean = typeof globalThis.Buffer === "function";

/** Bytes to unpadded Base64, standard alphabet. The empty array becomes the empty string. */
export function encodeBase64(bytes: Uint8Array): string {
  return encode(bytes, STANDARD);
}

/**
 * Base64 (standard alphabet, unpadded or rightly padded) to bytes.
 *
 * @throws CryptoError BASE64 on wrong padding, white space, the URL-safe alphabet, any other character, an impossible
 *   length, or bits beyond the last byte. The message names the place, never the text: the text may be a secret.
 */
export function decodeBase64(text: string): Uint8Array<ArrayBuffer> {
  return decode(text, STANDARD);
}

/** Bytes to unpadded Base64, URL-safe alphabet (RFC 4648 section 5): the `k` of a JSON Web Key, nothing else in Matrix. */
export function encodeBase64Url(bytes: Uint8Array): string {
  return encode(bytes, URL_SAFE);
}

/** URL-safe Base64 to bytes, as strict as {@link decodeBase64}. @throws CryptoError BASE64 */
export function decodeBase64Url(text: string): Uint8Array<ArrayBuffer> {
  return decode(text, URL_SAFE);
}

function encode(bytes: Uint8Array, alphabet: Alphabet): string {
  if (!HAS_BUFFER) return encodeByArithmetic(bytes, alphabet);
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString(alphabet.buffer);
  const over = bytes.length % 3;
  return over === 0 || alphabet === URL_SAFE ? text : text.slice(0, over - 3);
}

function decode(text: string, alphabet: Alphabet): Uint8Array<ArrayBuffer> {
  const body = withoutPadding(text);
  const bytes =
    HAS_BUFFER && body.length > ARITHMETIC_CHARS_MAX
      ? decodeByBuffer(body, alphabet)
      : decodeByArithmetic(body, alphabet);
  if (bytes === null) throw new CryptoError("BASE64", describeFault(text, body, alphabet));
  return bytes;
}

/** Padding is taken off only where it completes a group of four; anywhere else it stays and is refused as a character. */
function withoutPadding(text: string): string {
  if (text.length % 4 !== 0 || !text.endsWith("=")) return text;
  return text.slice(0, text.endsWith("==") ? -2 : -1);
}

function decodeByBuffer(body: string, alphabet: Alphabet): Uint8Array<ArrayBuffer> | null {
  const bytes = new Uint8Array(byteLength(body));
  // A view on our own array: Buffer.from(text) would put the bytes into a pool that it shares with everyone.
  const view = Buffer.from(bytes.buffer);
  if (view.write(body, alphabet.buffer) !== bytes.length) return null;
  const again = view.toString(alphabet.buffer);
  return again.slice(0, body.length) === body && body.length % 4 !== 1 ? bytes : null;
}

function decodeByArithmetic(body: string, alphabet: Alphabet): Uint8Array<ArrayBuffer> | null {
  const bytes = new Uint8Array(byteLength(body));
  const { plus, slash } = alphabet;
  const whole = body.length - (body.length % 4);
  let bad = 0;
  let at = 0;
  for (let i = 0; i < whole; i += 4) {
    const high = (sextet(body.charCodeAt(i), plus, slash) << 6) | sextet(body.charCodeAt(i + 1), plus, slash);
    const low =
      (sextet(body.charCodeAt(i + 2), plus, slash) << 6) | sextet(body.charCodeAt(i + 3), plus, slash);
    bad |= high | low;
    bytes[at++] = high >> 4;
    bytes[at++] = (high << 4) | (low >> 8);
    bytes[at++] = low;
  }
  let rest = 0;
  for (let i = whole; i < body.length; i++) {
    const value = sextet(body.charCodeAt(i), plus, slash);
    bad |= value;
    rest = (rest << 6) | value;
  }
  if (bad < 0) return null;
  return finishGroup(bytes, at, rest, body.length % 4) ? bytes : null;
}

/** The last one or two bytes, from two or three characters. False for one character alone, or for stray bits. */
function finishGroup(bytes: Uint8Array, at: number, rest: number, chars: number): boolean {
  if (chars === 1) return false;
  if (chars === 2) {
    bytes[at] = rest >> 4;
    return (rest & 0x0f) === 0;
  }
  if (chars === 3) {
    bytes[at] = rest >> 10;
    bytes[at + 1] = rest >> 2;
    return (rest & 0x03) === 0;
  }
  return true;
}

function byteLength(body: string): number {
  return Math.floor((body.length * 3) / 4);
}

/** A character's six bits, or -1: five comparisons, always all of them, no branch and no table. */
function sextet(code: number, plus: number, slash: number): number {
  const upper = (((0x40 - code) & (code - 0x5b)) >> 31) & (code - 64);
  const lower = (((0x60 - code) & (code - 0x7b)) >> 31) & (code - 70);
  const digit = (((0x2f - code) & (code - 0x3a)) >> 31) & (code + 5);
  const isPlus = (((plus - 1 - code) & (code - plus - 1)) >> 31) & 63;
  const isSlash = (((slash - 1 - code) & (code - slash - 1)) >> 31) & 64;
  return -1 + upper + lower + digit + isPlus + isSlash;
}

/** The character code of six bits, without a table. */
function charCode(value: number, plus: number, slash: number): number {
  const lower = ((25 - value) >> 31) & 6;
  const digit = ((51 - value) >> 31) & -75;
  const isPlus = ((61 - value) >> 31) & (plus - 0x30 - 10);
  const isSlash = ((62 - value) >> 31) & (slash - plus - 1);
  return value + 0x41 + lower + digit + isPlus + isSlash;
}

function encodeByArithmetic(bytes: Uint8Array, alphabet: Alphabet): string {
  const { plus, slash } = alphabet;
  let text = "";
  for (let i = 0; i < bytes.length; i += 3) {
    const group = ((bytes[i] ?? 0) << 16) | ((bytes[i + 1] ?? 0) << 8) | (bytes[i + 2] ?? 0);
    const chars = Math.min(4, Math.ceil(((bytes.length - i) * 4) / 3));
    for (let k = 0; k < chars; k++) {
      text += String.fromCharCode(charCode((group >> (18 - 6 * k)) & 63, plus, slash));
    }
  }
  return text;
}

function describeFault(text: string, body: string, alphabet: Alphabet): string {
  const expected = `expected ${alphabet.name} base64, unpadded or rightly padded`;
  for (let i = 0; i < body.length; i++) {
    const code = body.charCodeAt(i);
    if (sextet(code, alphabet.plus, alphabet.slash) >= 0) continue;
    const found = code === 0x3d ? "padding that does not complete the text" : nameOf(code);
    return `${expected}; found ${found} at character ${i} of ${text.length}`;
  }
  if (body.length % 4 === 1)
    return `${expected}; found ${body.length} characters, a length that no bytes have`;
  return `${expected}; found bits beyond the last byte in the last character`;
}

function nameOf(code: number): string {
  return `U+${code.toString(16).toUpperCase().padStart(4, "0")}`;
}
