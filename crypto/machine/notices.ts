// What a person or a log should hear of, as data. None of it stops the machine, and none of it holds a secret.

export type Notice =
  /** The server holds other keys under IDs that we gave out: the store was copied or put back. Operators must know. */
  | { readonly kind: "one-time-key-collision"; readonly certain: boolean; readonly error: string }
  /** The server holds more one-time keys of ours than we have private keys for: the store was put back, or another program uses this device. */
  | { readonly kind: "one-time-keys-unknown"; readonly onServer: number; readonly held: number }
  /** Uploads are refused again and again; the next try is at `retryAtMs`. */
  | { readonly kind: "keys-upload-refused"; readonly error: string; readonly retryAtMs: number };
