// Every bound of files in rooms, with its reason. Sizes in bytes.

/** Encrypted or decrypted at one go: a quarter of a megabyte takes a Pi Zero's software AES some 10 ms, then others have their turn. */
export const SLICE_BYTES: number = 256 * 1024;
