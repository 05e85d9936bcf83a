// Every named maximum of the files directly in crypto/, each with its reason. The Olm and Megolm limits live in their own folders.

/** Nesting of a JSON value that is signed. serde_json, beneath most peers, gives up at 128; a cycle must end somewhere. */
export const CANONICAL_JSON_DEPTH_MAX = 128;

/** Characters of a recovery key as typed: 48 and their spaces, with room for lavish formatting. Base58 costs the square of it. */
export const RECOVERY_KEY_CHARS_MAX = 256;

/** PBKDF2 iterations that we write, in key files and passphrase descriptions: what Element and matrix-sdk-crypto write. */
export const PBKDF2_ITERATIONS_DEFAULT = 500_000;

/** The least that we write: the specification's "should be at least 100,000" for key files. Reading takes fewer. */
export const PBKDF2_ITERATIONS_WRITE_MIN = 100_000;

/** The most that we read unless the caller allows more: ten times the usual, ten seconds on a small board. A file can ask for 2^32. */
export const PBKDF2_ITERATIONS_READ_MAX = 5_000_000;

/** Characters of a key file: 100,000 sessions of 700 bytes, in base64. Its parts are held in memory at once. */
export const KEY_FILE_CHARS_MAX = 100_000_000;

/** Characters of a secret in secret storage. Account data is one event: 64 KiB bound it anyway. */
export const SECRET_CHARS_MAX = 65_536;

/** The shortest shared secret in a verification QR code (specification: "about 8 bytes"; matrix-sdk-crypto refuses fewer). */
export const QR_SECRET_BYTES_MIN = 8;

/** The longest QR code content: version 40 in byte mode with error correction L. */
export const QR_BYTES_MAX = 2953;

/** One-time keys in a dehydrated device: as many as an account keeps privately. */
export const DEHYDRATED_ONE_TIME_KEYS_MAX = 5_000;
