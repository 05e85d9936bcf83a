// What a person or a log should hear of, as data. None of it stops the machine, and none of it holds a secret.
import type { RequestKind } from "./requests.ts";

export type Notice =
  /** The server holds other keys under IDs that we gave out: the store was copied or put back. Operators must know. */
  | { readonly kind: "one-time-key-collision"; readonly certain: boolean; readonly error: string }
  /** The server holds more one-time keys of ours than we have private keys for: the store was put back, or another program uses this device. */
  | { readonly kind: "one-time-keys-unknown"; readonly onServer: number; readonly held: number }
  /** Uploads are refused again and again; the next try is at `retryAtMs`. */
  | { readonly kind: "keys-upload-refused"; readonly error: string; readonly retryAtMs: number }
  /** The server refused a request about these users (the first few of them) for good; they are asked for again later, in smaller groups. */
  | {
      readonly kind: "request-refused";
      readonly request: RequestKind;
      readonly status: number;
      readonly code: string;
      readonly users: readonly string[];
      readonly usersCount: number;
    }
  /** The server refuses this one to-device message for good: the device never gets it. */
  | {
      readonly kind: "message-dropped";
      readonly type: string;
      readonly userId: string;
      readonly deviceId: string;
      readonly status: number;
      readonly code: string;
    }
  /** An answer of the server could not be read at all; it counts as none. */
  | { readonly kind: "answer-unreadable"; readonly request: string }
  /** Keys that a server gave for a device do not hold; what was known of the device stays. */
  | {
      readonly kind: "device-rejected";
      readonly userId: string;
      readonly deviceId: string;
      readonly reason: string;
    }
  /** Other keys under a device ID that is pinned: a hostile server, or a device that was made anew under its old ID. The old keys stay. */
  | { readonly kind: "device-keys-changed"; readonly userId: string; readonly deviceId: string }
  /** The server shows other keys for our own device: another program took its ID. */
  | { readonly kind: "own-device-replaced" }
  /** Another device shows our keys: the store was copied. */
  | { readonly kind: "device-cloned"; readonly userId: string; readonly deviceId: string }
  | { readonly kind: "identity-rejected"; readonly userId: string; readonly reason: string }
  /** The master key changed. `wasVerified`: nothing is shared with them by strategies that care, until it is verified or acknowledged. */
  | { readonly kind: "identity-changed"; readonly userId: string; readonly wasVerified: boolean }
  /** Another device made our user's identity while we did: ours is forgotten. */
  | { readonly kind: "identity-made-elsewhere" }
  /** The server does not take our cross-signing keys; nothing is tried until somebody asks again. */
  | { readonly kind: "cross-signing-refused"; readonly error: string }
  /** The server did not take a signature of ours. `deviceId` null: on the user's master key. */
  | {
      readonly kind: "signature-refused";
      readonly userId: string;
      readonly deviceId: string | null;
      readonly error: string;
    }
  /** The server did not take a piece of account data, so secret storage is not as it should be. */
  | { readonly kind: "account-data-refused"; readonly type: string; readonly error: string }
  /** A secret came from a device of ours, and is kept. */
  | { readonly kind: "secret-received"; readonly deviceId: string }
  /** The key backup on the server is another one than before. */
  | { readonly kind: "backup-changed"; readonly version: string | null; readonly trusted: boolean }
  /** The server does not take room keys for the backup, and nothing is tried until it is asked about the backup again. */
  | { readonly kind: "backup-refused"; readonly error: string }
  /** A one-time key that a server gave does not hold under the device's pinned key. */
  | {
      readonly kind: "one-time-key-rejected";
      readonly userId: string;
      readonly deviceId: string;
      readonly reason: string;
    }
  /** Settings of a room that would weaken its encryption; the old ones stay. */
  | { readonly kind: "encryption-downgrade"; readonly roomId: string }
  /** A room key that does not hold, or stands against one that is known. */
  | {
      readonly kind: "room-key-rejected";
      readonly roomId: string;
      readonly sender: string;
      readonly reason: string;
    };
