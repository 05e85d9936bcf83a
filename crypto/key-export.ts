// Key files, "-----BEGIN MEGOLM SESSION DATA-----" (specification: Key exports; the whole of it).
//
//   01 | salt 16 | IV 16, bit 63 zero | rounds u32 BE | AES-256-CTR(JSON) | HMAC-SHA-256 over all before, 32      in base64
//   AES key 32 | MAC key 32 = PBKDF2-HMAC-SHA-512(passphrase, salt, rounds, 64)
import { decodeBase64, encodeBase64 } from "./base64.ts";
import { CryptoError } from "./errors.ts";
import { type ExportedSession, encodeExportedSession, parseExportedSession } from "./exported-session.ts";
import {
  KEY_FILE_CHARS_MAX,
  PBKDF2_ITERATIONS_DEFAULT,
  PBKDF2_ITERATIONS_READ_MAX,
  PBKDF2_ITERATIONS_WRITE_MIN,
} from "./limits.ts";
import type { CryptoProvider } from "./provider.ts";
import { concatBytes, decodeUtf8, encodeUtf8, parseJson } from "./shape.ts";

const HEADER = "-----BEGIN MEGOLM SESSION DATA-----";
const FOOTER = "-----END MEGOLM SESSION DATA-----";
const VERSION = 1;
const SALT_BYTES = 16;
const IV_BYTES = 16;
const HEAD_BYTES = 1 + SALT_BYTES + IV_BYTES + 4;
const MAC_BYTES = 32;
const LINE_CHARS = 76;

export interface KeyFileOptions {
  /** PBKDF2 rounds, 100,000 to 2^32 - 1; 500,000 by default. */
  readonly rounds?: number;
}

export interface KeyFileLimits {
  /** The most rounds that a file may ask for; 5,000,000 by default. */
  readonly roundsMax?: number;
}

/** The sessions of a key file, and how many entries were no sessions. One broken entry does not cost the others. */
export interface ImportedSessions {
  readonly sessions: readonly ExportedSession[];
  readonly refused: readonly { readonly index: number; readonly error: CryptoError }[];
}

/**
 * Sessions as a key file: ASCII text, lines of 76 characters, a line feed at the end.
 * It takes a second and more, by intent: the rounds are what protects a weak passphrase.
 *
 * @throws RangeError for an empty passphrase or too few rounds
 */
export function encryptKeyFile(
  provider: CryptoProvider,
  sessions: readonly ExportedSession[],
  passphrase: string,
  options: KeyFileOptions = {},
): string {
  const rounds = options.rounds ?? PBKDF2_ITERATIONS_DEFAULT;
  if (!Number.isInteger(rounds) || rounds < PBKDF2_ITERATIONS_WRITE_MIN || rounds > 0xffff_ffff) {
    throw new RangeError(
      `key file: expected ${PBKDF2_ITERATIONS_WRITE_MIN} to 2^32 - 1 rounds, got ${rounds}`,
    );
  }
  if (passphrase === "") throw new RangeError("key file: expected a passphrase, got an empty one");
  const plaintext = encodeUtf8(JSON.stringify(sessions.map(encodeExportedSession)));
  const bytes = seal(provider, plaintext, passphrase, rounds);
  plaintext.fill(0);
  const lines = encodeBase64(bytes).match(new RegExp(`.{1,${LINE_CHARS}}`, "g")) ?? [];
  return [HEADER, ...lines, FOOTER, ""].join("\n");
}

/**
 * Reads a key file. White space around it and line ends within it do not matter; padding may be there or not.
 *
 * @throws CryptoError FORMAT (no key file), BASE64, VERSION, MAC (a wrong passphrase, or a damaged file), UNSUPPORTED when it asks
 *   for more rounds than `roundsMax`: such a file would keep a small board busy for hours
 */
export function decryptKeyFile(
  provider: CryptoProvider,
  file: string,
  passphrase: string,
  limits: KeyFileLimits = {},
): ImportedSessions {
  const plaintext = open(provider, unwrap(file), passphrase, limits.roundsMax ?? PBKDF2_ITERATIONS_READ_MAX);
  const text = decodeUtf8(plaintext, "key file");
  plaintext.fill(0);
  return parseSessions(parseJson(text, "key file"));
}

function parseSessions(value: unknown): ImportedSessions {
  if (!Array.isArray(value))
    throw new CryptoError("FORMAT", "key file: expected an array of sessions inside");
  const sessions: ExportedSession[] = [];
  const refused: { index: number; error: CryptoError }[] = [];
  for (const [index, entry] of value.entries()) {
    try {
      sessions.push(parseExportedSession(entry));
    } catch (error) {
      if (!(error instanceof CryptoError)) throw error;
      refused.push({ index, error });
    }
  }
  return { sessions, refused };
}

/** The bytes between header and footer. */
function unwrap(file: string): Uint8Array {
  if (file.length > KEY_FILE_CHARS_MAX) {
    throw new CryptoError(
      "FORMAT",
      `key file: expected at most ${KEY_FILE_CHARS_MAX} characters, found ${file.length}`,
    );
  }
  const text = file.trim();
  if (!text.startsWith(HEADER) || !text.endsWith(FOOTER)) {
    throw new CryptoError("FORMAT", `key file: expected the lines "${HEADER}" and "${FOOTER}" around it`);
  }
  return decodeBase64(text.slice(HEADER.length, -FOOTER.length).replace(/\s+/g, ""));
}

function seal(
  provider: CryptoProvider,
  plaintext: Uint8Array,
  passphrase: string,
  rounds: number,
): Uint8Array {
  const head = new Uint8Array(HEAD_BYTES);
  const iv = provider.random(IV_BYTES);
  // Bit 63 of the counter is zero, since some AES-CTR implementations count in 64 bits.
  iv[8] = (iv[8] ?? 0) & 0x7f;
  const salt = provider.random(SALT_BYTES);
  head[0] = VERSION;
  head.set(salt, 1);
  head.set(iv, 1 + SALT_BYTES);
  new DataView(head.buffer).setUint32(HEAD_BYTES - 4, rounds);
  const keys = derive(provider, passphrase, salt, rounds);
  const body = concatBytes(head, provider.aesCtr(keys.subarray(0, 32), iv, plaintext));
  const mac = provider.hmacSha256(keys.subarray(32), body);
  keys.fill(0);
  return concatBytes(body, mac);
}

function open(
  provider: CryptoProvider,
  bytes: Uint8Array,
  passphrase: string,
  roundsMax: number,
): Uint8Array {
  const { rounds, salt, iv } = parseHead(bytes, roundsMax);
  const body = bytes.subarray(0, bytes.length - MAC_BYTES);
  const keys = derive(provider, passphrase, salt, rounds);
  try {
    if (!provider.equal(provider.hmacSha256(keys.subarray(32), body), bytes.subarray(body.length))) {
      throw new CryptoError("MAC", "key file: the MAC does not match: a wrong passphrase, or a damaged file");
    }
    return provider.aesCtr(keys.subarray(0, 32), iv, body.subarray(HEAD_BYTES));
  } finally {
    keys.fill(0);
  }
}

interface KeyFileHead {
  readonly rounds: number;
  readonly salt: Uint8Array;
  readonly iv: Uint8Array;
}

function parseHead(bytes: Uint8Array, roundsMax: number): KeyFileHead {
  if (bytes.length < HEAD_BYTES + MAC_BYTES) {
    throw new CryptoError(
      "FORMAT",
      `key file: expected at least ${HEAD_BYTES + MAC_BYTES} bytes, found ${bytes.length}`,
    );
  }
  if (bytes[0] !== VERSION) {
    throw new CryptoError("VERSION", `key file: expected version ${VERSION}, found ${bytes[0]}`);
  }
  const rounds = new DataView(bytes.buffer, bytes.byteOffset).getUint32(HEAD_BYTES - 4);
  if (rounds === 0)
    throw new CryptoError("FORMAT", "key file: expected at least one round of PBKDF2, found none");
  if (rounds > roundsMax) {
    throw new CryptoError(
      "UNSUPPORTED",
      `key file: asks for ${rounds} rounds of PBKDF2; raise roundsMax (${roundsMax}) if it is trusted`,
    );
  }
  return {
    rounds,
    salt: bytes.subarray(1, 1 + SALT_BYTES),
    iv: bytes.subarray(1 + SALT_BYTES, 1 + SALT_BYTES + IV_BYTES),
  };
}

function derive(provider: CryptoProvider, passphrase: string, salt: Uint8Array, rounds: number): Uint8Array {
  const password = encodeUtf8(passphrase);
  const keys = provider.pbkdf2Sha512(password, salt, rounds, 64);
  password.fill(0);
  return keys;
}
